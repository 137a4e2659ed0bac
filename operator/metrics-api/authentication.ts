import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import type { KubeClient } from '../kube/client.ts'
import { kinds } from '../kube/objects.ts'

/** Who asks, as the API server knows users. */
export interface User {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
}

/** How to know the API server when it asks in somebody's name. */
export interface FrontProxy {
  /** PEM; '' where nobody is trusted to speak for others. */
  readonly authority: string
  /** Common names that its certificate may have; empty: any. */
  readonly allowedNames: readonly string[]
  readonly userHeaders: readonly string[]
  readonly groupHeaders: readonly string[]
  readonly uidHeaders: readonly string[]
  readonly extraHeaderPrefixes: readonly string[]
}

const NO_FRONT_PROXY: FrontProxy = {
  authority: '',
  allowedNames: [],
  userHeaders: [],
  groupHeaders: [],
  uidHeaders: [],
  extraHeaderPrefixes: [],
}

const ANONYMOUS: User = {
  name: 'system:anonymous',
  uid: '',
  groups: ['system:unauthenticated'],
  extra: {},
}
/** A token that was taken back is refused after so long. */
const TOKEN_MS = 10_000
const TOKENS_MAX = 1_000
/** Where the API server says how it may be known. */
const CONFIG_MAP = { namespace: 'kube-system', name: 'extension-apiserver-authentication' }

/**
 * What the API server says of its front proxy; null where it cannot be asked.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/configure-aggregation-layer/
 */
export async function readFrontProxy(client: KubeClient): Promise<FrontProxy | null> {
  const found = await client.get(kinds.configMap, CONFIG_MAP)
  if (!found.ok) return null
  const data = (found.value.data ?? {}) as Record<string, string | undefined>
  const list = (key: string): string[] => {
    try {
      const names: unknown = JSON.parse(data[`requestheader-${key}`] ?? '[]')
      return Array.isArray(names) ? names.map(String) : []
    } catch {
      return []
    }
  }
  return {
    authority: data['requestheader-client-ca-file'] ?? '',
    allowedNames: list('allowed-names'),
    userHeaders: list('username-headers'),
    groupHeaders: list('group-headers'),
    uidHeaders: list('uid-headers'),
    extraHeaderPrefixes: list('extra-headers-prefix'),
  }
}

/**
 * Tells who asks: the API server in a user's name, or the bearer of a token. Null: a token that
 * nobody knows.
 */
export class Authentication {
  frontProxy: FrontProxy = NO_FRONT_PROXY
  private readonly client: KubeClient
  private readonly clock: Clock
  private readonly tokens = new Map<string, { user: User | null; atMs: number }>()

  constructor(options: { client: KubeClient; clock: Clock }) {
    this.client = options.client
    this.clock = options.clock
  }

  async userOf(message: IncomingMessage): Promise<User | null> {
    if (this.isFrontProxy(message.socket as TLSSocket)) {
      const user = userInHeaders(message, this.frontProxy)
      if (user !== null) return user
    }
    const token = /^Bearer +(\S+)$/i.exec(message.headers.authorization ?? '')?.[1]
    return token === undefined ? ANONYMOUS : this.bearer(token)
  }

  /**
   * Whether the peer may say in whose name it asks. The server trusts no other authority than the
   * front proxy's for certificates of clients, so that `authorized` speaks of that one.
   */
  private isFrontProxy(socket: TLSSocket): boolean {
    const { authority, allowedNames } = this.frontProxy
    if (authority === '' || !socket.authorized) return false
    const { CN: name } = socket.getPeerCertificate().subject ?? {}
    return allowedNames.length === 0 || (typeof name === 'string' && allowedNames.includes(name))
  }

  private async bearer(token: string): Promise<User | null> {
    const nowMs = this.clock.nowMs()
    const known = this.tokens.get(token)
    if (known !== undefined && nowMs - known.atMs < TOKEN_MS) return known.user
    const path = '/apis/authentication.k8s.io/v1/tokenreviews'
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } }
    const reviewed = await this.client.raw<TokenReview>('POST', path, review)
    if (!reviewed.ok) return null
    const { authenticated, user } = reviewed.value.status ?? {}
    const found = authenticated === true && user !== undefined ? userOfReview(user) : null
    if (this.tokens.size >= TOKENS_MAX) this.tokens.clear()
    this.tokens.set(token, { user: found, atMs: nowMs })
    return found
  }
}

interface TokenReview {
  readonly status?: { readonly authenticated?: boolean; readonly user?: ReviewedUser }
}

interface ReviewedUser {
  readonly username?: string
  readonly uid?: string
  readonly groups?: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

function userOfReview({ username = '', uid = '', groups = [], extra = {} }: ReviewedUser): User {
  return { name: username, uid, groups, extra }
}

function userInHeaders(message: IncomingMessage, proxy: FrontProxy): User | null {
  const valuesOf = (names: readonly string[]): string[] =>
    names.flatMap((name) => message.headersDistinct[name.toLowerCase()] ?? [])
  const [name] = valuesOf(proxy.userHeaders)
  if (name === undefined || name === '') return null
  const extra: Record<string, readonly string[]> = {}
  for (const [header, values = []] of Object.entries(message.headersDistinct)) {
    for (const prefix of proxy.extraHeaderPrefixes) {
      if (!header.startsWith(prefix.toLowerCase())) continue
      extra[unescaped(header.slice(prefix.length))] = values
    }
  }
  const uid = valuesOf(proxy.uidHeaders)[0] ?? ''
  return { name, uid, groups: valuesOf(proxy.groupHeaders), extra }
}

/** Names of extra fields are escaped as in URLs, since headers take fewer characters. */
function unescaped(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
