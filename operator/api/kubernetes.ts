import { z } from 'zod'

/** A rule of a resource definition: a CEL expression, and what to tell whoever breaks it. */
type CelRule = readonly [rule: string, message: string]

/**
 * `x-kubernetes-validations` for a schema's `meta`: the API server refuses what breaks a rule, so
 * its author hears of it at once. Zod's own refinements say the same to local runs; rules that
 * compare with `oldSelf` exist in Kubernetes alone.
 */
export function celRules(...rules: readonly CelRule[]): Record<string, unknown> {
  return { 'x-kubernetes-validations': rules.map(([rule, message]) => ({ rule, message })) }
}

/** A field that keeps whatever it is given: objects of Kubernetes' own, in any of its versions. */
export const RAW_FIELD = { 'x-kubernetes-preserve-unknown-fields': true } as const

/** The name of another object: an RFC 1123 subdomain. */
export const dnsName = z
  .string()
  .regex(
    /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/,
    'must be the name of an object: lower-case letters, digits, dashes and dots',
  )
