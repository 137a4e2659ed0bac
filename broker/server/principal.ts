import type { X509Certificate } from 'node:crypto'

/** A client of which nothing is known. */
export const ANONYMOUS = 'User:ANONYMOUS'

/**
 * Kafka's name for the client that has shown this certificate: the subject by RFC 2253, its last
 * part first. Node gives one part per line, escaped by the same RFC. E-mail addresses and other
 * types that the RFC does not name are written by name here, where Kafka writes their number.
 */
export function principalOf(certificate: X509Certificate | undefined): string {
  if (certificate?.subject === undefined) return ANONYMOUS
  // Parts that belong together are joined by ` + ` there and by `+` in Kafka.
  const parts = certificate.subject.split('\n').map((part) => part.replace(/(?<!\\) \+ /g, '+'))
  return `User:${parts.reverse().join(',')}`
}
