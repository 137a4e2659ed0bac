import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

/** A certificate and its key, PEM, and the files that have them. */
export interface Certificate {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}

function read(folder: string, name: string): Certificate {
  const certFile = join(folder, `${name}.crt`)
  const keyFile = join(folder, `${name}.key`)
  const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
  return { cert, key, certFile, keyFile }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** An authority of its own, in `folder`. */
export function authority(folder: string, name: string): Certificate {
  const file = join(folder, name)
  openssl(
    ...['req', '-x509', ...NEW_KEY, '-keyout', `${file}.key`, '-out', `${file}.crt`],
    ...['-subj', `/CN=${name}`, '-days', '2'],
  )
  return read(folder, name)
}

/** A certificate by `issuer`: of a server with `hosts`, or (without) of a client. */
export function issued(
  folder: string,
  issuer: Certificate,
  about: { readonly file: string; readonly commonName: string; readonly hosts?: readonly string[] },
): Certificate {
  const file = join(folder, about.file)
  const purpose = about.hosts === undefined ? 'clientAuth' : 'serverAuth'
  const names = (about.hosts ?? [])
    .map((host) => `${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}`)
    .join(',')
  writeFileSync(
    `${file}.ext`,
    `extendedKeyUsage=${purpose}\n${names === '' ? '' : `subjectAltName=${names}\n`}`,
  )
  openssl(
    ...['req', ...NEW_KEY, '-keyout', `${file}.key`, '-out', `${file}.csr`],
    ...['-subj', `/CN=${about.commonName}`],
  )
  openssl(
    ...['x509', '-req', '-in', `${file}.csr`, '-CA', issuer.certFile, '-CAkey', issuer.keyFile],
    ...['-CAcreateserial', '-out', `${file}.crt`, '-days', '2', '-extfile', `${file}.ext`],
  )
  return read(folder, about.file)
}
