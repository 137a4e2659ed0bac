import { readFile } from 'node:fs/promises'
import type { SecureContextOptions } from 'node:tls'
import type { Clock } from '../../base/clock.ts'

/** What TLS needs to know; the same object for as long as nothing changed. */
export interface TlsMaterial extends Pick<SecureContextOptions, 'ca' | 'cert' | 'key'> {
  readonly rejectUnauthorized?: boolean
  readonly servername?: string
}

export interface Credentials {
  /** Sent with every request: `authorization`, `impersonate-user`. */
  readonly headers: Readonly<Record<string, string>>
  readonly tls: TlsMaterial
}

/** Where the API server is, and how to be let in. */
export interface KubeAccess {
  /** `https://host:port`, a path after it is kept. */
  readonly server: string
  /** The namespace this program runs in, or the kubeconfig's context names; null when unknown. */
  readonly namespace: string | null
  /** Asked before every request, so it has to be cheap. Rejects when a file cannot be read. */
  credentials(): Promise<Credentials>
  /** The server did not know us: the next `credentials` reads everything anew. */
  forget(): void
}

/** Tokens are replaced when 80 % of their life is over, which is never less than minutes. */
const REREAD_MS = 10_000

/** Calls `read` again when the last result is older than {@link REREAD_MS}, or forgotten. */
export class Reread {
  private readonly clock: Pick<Clock, 'nowMs'>
  private readonly read: (previous: Credentials | null) => Promise<Credentials>
  private last: Credentials | null = null
  private readAtMs = Number.NEGATIVE_INFINITY
  private reading: Promise<Credentials> | null = null

  constructor(
    clock: Pick<Clock, 'nowMs'>,
    read: (previous: Credentials | null) => Promise<Credentials>,
  ) {
    this.clock = clock
    this.read = read
  }

  get(): Promise<Credentials> {
    const isFresh = this.clock.nowMs() - this.readAtMs < REREAD_MS
    if (this.last !== null && isFresh) return Promise.resolve(this.last)
    this.reading ??= this.reread().finally(() => {
      this.reading = null
    })
    return this.reading
  }

  forget(): void {
    this.readAtMs = Number.NEGATIVE_INFINITY
  }

  private async reread(): Promise<Credentials> {
    const startedMs = this.clock.nowMs()
    const read = await this.read(this.last)
    // Kept by identity, so that connections are given up only for TLS material that changed.
    const tls = this.last !== null && isSameTls(this.last.tls, read.tls) ? this.last.tls : read.tls
    this.last = { headers: read.headers, tls }
    this.readAtMs = startedMs
    return this.last
  }
}

function isSameTls(a: TlsMaterial, b: TlsMaterial): boolean {
  return (
    String(a.ca) === String(b.ca) &&
    String(a.cert) === String(b.cert) &&
    String(a.key) === String(b.key) &&
    a.rejectUnauthorized === b.rejectUnauthorized &&
    a.servername === b.servername
  )
}

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

/**
 * The access of a pod: its service account's token and CA, read again as the kubelet replaces them.
 * Null when the program runs in no pod. `folder` is where the kubelet mounts the service account.
 */
export async function podAccess(options: {
  clock: Pick<Clock, 'nowMs'>
  environment: Readonly<Record<string, string | undefined>>
  folder?: string
}): Promise<KubeAccess | null> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = options.environment
  if (!host || !port) return null
  const folder = options.folder ?? SERVICE_ACCOUNT_FOLDER
  const namespace = await readFile(`${folder}/namespace`, 'utf8').then(
    (text) => text.trim() || null,
    () => null,
  )
  const reread = new Reread(options.clock, async () => {
    const token = (await readFile(`${folder}/token`, 'utf8')).trim()
    const ca = await readFile(`${folder}/ca.crt`)
    return { headers: { authorization: `Bearer ${token}` }, tls: { ca } }
  })
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace,
    credentials: () => reread.get(),
    forget: () => reread.forget(),
  }
}
