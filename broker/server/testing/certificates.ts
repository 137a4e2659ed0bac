import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Valid whatever the machine believes the time to be. */
const VALID = ['-startdate', '19700101000000Z', '-enddate', '20991231235959Z']

export interface Issued {
  readonly certificateFile: string
  readonly keyFile: string
  /** Certificate and key in one file, as Java's clients take them. */
  readonly bundleFile: string
}

/** An authority of a test, in a folder of its own, and what it signs. Whoever makes one closes it. */
export class TestAuthority {
  readonly folder = mkdtempSync(join(tmpdir(), 'streamcluster-certificates-'))
  readonly caFile: string
  private readonly caKeyFile: string
  private serial = 1

  constructor(name = 'Test Authority') {
    this.caFile = join(this.folder, 'ca.crt')
    this.caKeyFile = join(this.folder, 'ca.key')
    const request = join(this.folder, 'ca.csr')
    openssl(['req', '-new', ...newKey(this.caKeyFile), '-subj', `/CN=${name}`, '-out', request])
    writeFileSync(join(this.folder, 'index.txt'), '')
    const extensions = join(this.folder, 'ca.cnf')
    writeFileSync(extensions, this.configuration('basicConstraints=critical,CA:TRUE\n'))
    const signing = ['-selfsign', '-keyfile', this.caKeyFile, '-in', request, '-out', this.caFile]
    openssl(['ca', '-batch', '-notext', '-config', extensions, ...VALID, ...signing])
  }

  private configuration(extensions: string): string {
    const { folder } = this
    return `[ca]
default_ca=test
[test]
database=${folder}/index.txt
new_certs_dir=${folder}
rand_serial=yes
unique_subject=no
default_md=sha256
policy=policy
email_in_dn=yes
x509_extensions=extensions
[policy]
countryName=optional
organizationName=optional
organizationalUnitName=optional
commonName=supplied
[extensions]
${extensions}`
  }

  /** A certificate for this subject (`/O=x/CN=y`), good for localhost and 127.0.0.1. */
  issue(subject: string): Issued {
    const name = join(this.folder, `issued-${this.serial++}`)
    const [certificateFile, keyFile, request] = [`${name}.crt`, `${name}.key`, `${name}.csr`]
    openssl(['req', '-new', ...newKey(keyFile), '-subj', subject, '-out', request])
    const configuration = `${name}.cnf`
    writeFileSync(
      configuration,
      this.configuration('subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2\n'),
    )
    const signing = ['-cert', this.caFile, '-keyfile', this.caKeyFile, '-in', request]
    openssl([
      ...['ca', '-batch', '-notext', '-config', configuration, ...VALID],
      ...['-preserveDN', ...signing, '-out', certificateFile],
    ])
    const bundleFile = `${name}.pem`
    const key = execFileSync('openssl', ['pkcs8', '-topk8', '-nocrypt', '-in', keyFile])
    const certificate = execFileSync('openssl', ['x509', '-in', certificateFile])
    writeFileSync(bundleFile, Buffer.concat([key, certificate]))
    return { certificateFile, keyFile, bundleFile }
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file]
}

function openssl(options: readonly string[]): void {
  execFileSync('openssl', options, { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
}
