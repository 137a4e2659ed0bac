import type { RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import type { Clock } from '../../base/clock.ts'
import { type Credentials, type KubeAccess, podAccess, Reread, type TlsMaterial } from './access.ts'

/**
 * What kubeconfig says for this moment: client certificates and CA from files or data, tokens,
 * passwords, exec plugins (clouds' logins), OIDC. The library caches tokens by their own expiry.
 */
async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = {}
  const cluster = config.getCurrentCluster()
  const isPlain = cluster?.server.startsWith('http:') === true
  const headers: Record<string, string> = {}
  const user = config.getCurrentUser()
  if (isPlain) {
    // The library refuses to speak without TLS; a proxy on this machine is all this is for.
    if (user?.token) headers.authorization = `Bearer ${user.token}`
    return { headers, tls: {} }
  }
  await config.applyToHTTPSOptions(options)
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    headers[name.toLowerCase()] = String(value)
  }
  if (options.auth) {
    headers.authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`
  }
  const tls: { -readonly [Name in keyof TlsMaterial]: TlsMaterial[Name] } = {}
  if (options.ca !== undefined) tls.ca = options.ca
  if (options.cert !== undefined) tls.cert = options.cert
  if (options.key !== undefined) tls.key = options.key
  if (options.servername !== undefined) tls.servername = options.servername
  if (options.rejectUnauthorized === false) tls.rejectUnauthorized = false
  return { headers, tls }
}

/**
 * The access of kubeconfig's current context. `path` names one file; without it KUBECONFIG and the
 * home folder's are taken, as kubectl does. Throws when there is none, or it names no cluster.
 */
async function kubeConfigAccess(options: {
  clock: Pick<Clock, 'nowMs'>
  path?: string
}): Promise<KubeAccess> {
  // Imported only here: with all its typed clients it takes 80 MiB, which a pod never needs.
  const { KubeConfig } = await import('@kubernetes/client-node')
  const config = new KubeConfig()
  if (options.path === undefined) config.loadFromDefault()
  else config.loadFromFile(options.path)
  const cluster = config.getCurrentCluster()
  if (cluster === null) {
    throw new Error(`kubeconfig's current context names no cluster: ${config.currentContext}`)
  }
  const context = config.getContextObject(config.currentContext)
  const reread = new Reread(options.clock, () => credentialsOf(config))
  return {
    server: cluster.server,
    namespace: context?.namespace ?? null,
    credentials: () => reread.get(),
    forget: () => reread.forget(),
  }
}

/**
 * How this program reaches its API server: by the kubeconfig file at `kubeConfigPath` if given, by
 * its pod's service account when it runs in one, by kubectl's own rules otherwise. Throws when
 * nothing of this says where the API server is.
 */
export async function kubeAccess(options: {
  clock: Pick<Clock, 'nowMs'>
  environment: Readonly<Record<string, string | undefined>>
  kubeConfigPath?: string
}): Promise<KubeAccess> {
  const { clock, environment, kubeConfigPath } = options
  if (kubeConfigPath !== undefined) return kubeConfigAccess({ clock, path: kubeConfigPath })
  return (await podAccess({ clock, environment })) ?? kubeConfigAccess({ clock })
}
