import type { LogLevel } from '../base/log.ts'

/** What an operator process is told by its environment and its flags. */
export interface OperatorSettings {
  /** Namespaces whose StreamClusters are obeyed; empty: all of them. */
  readonly namespaces: readonly string[]
  /** The operator's own: of its Lease, and of its pods as network policies know them. */
  readonly namespace: string
  readonly podName: string
  readonly podLabels: Readonly<Record<string, string>>
  /** Of brokers whose StreamCluster names none. */
  readonly brokerImage: string
  readonly leaseName: string
  readonly logLevel: LogLevel
  readonly adminListen: Listen
  /** Null: no metrics API is served. */
  readonly metricsApi: { readonly listen: Listen; readonly tlsFolder: string } | null
  readonly volumesFolder: string
  /** Null: the pod's service account, else kubectl's own rules. */
  readonly kubeConfigPath: string | null
}

export interface Listen {
  readonly host: string
  readonly port: number
}

/** A setting that cannot be used; the message names it. */
class SettingsError extends Error {
  override name = 'SettingsError'
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the settings of `env` and `args` (without node and the program). Throws
 * {@link SettingsError}.
 */
export function operatorSettings(env: Environment, args: readonly string[]): OperatorSettings {
  const level = env.STREAMCLUSTER_LOG_LEVEL || 'info'
  if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') {
    throw new SettingsError('STREAMCLUSTER_LOG_LEVEL must be debug, info, warn or error')
  }
  const tlsFolder = env.STREAMCLUSTER_METRICS_API_TLS || null
  return {
    namespaces: listOf(env.STREAMCLUSTER_NAMESPACES),
    namespace: env.POD_NAMESPACE || 'default',
    podName: env.POD_NAME || 'streamcluster-operator',
    podLabels: labelsOf(env.STREAMCLUSTER_POD_LABELS),
    brokerImage: env.STREAMCLUSTER_BROKER_IMAGE || 'streamcluster:latest',
    leaseName: env.STREAMCLUSTER_LEASE_NAME || 'streamcluster-operator',
    logLevel: level,
    adminListen: listenOf('STREAMCLUSTER_ADMIN_LISTEN', env, '0.0.0.0:8080'),
    metricsApi:
      tlsFolder === null
        ? null
        : { tlsFolder, listen: listenOf('STREAMCLUSTER_METRICS_API_LISTEN', env, '0.0.0.0:8443') },
    volumesFolder: env.STREAMCLUSTER_VOLUMES || '/volumes',
    kubeConfigPath: kubeConfigIn(args),
  }
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function labelsOf(text: string | undefined): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const pair of listOf(text)) {
    const [name = '', value, more] = pair.split('=')
    if (name === '' || value === undefined || more !== undefined) {
      throw new SettingsError(`STREAMCLUSTER_POD_LABELS must be name=value,…; '${pair}' is not`)
    }
    labels[name] = value
  }
  return labels
}

function listenOf(name: string, env: Environment, byDefault: string): Listen {
  const text = env[name] || byDefault
  const match = /^(.+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match?.[1] === undefined || port > 65_535) {
    throw new SettingsError(`${name} must be host:port, such as ${byDefault}; it is '${text}'`)
  }
  return { host: match[1].replace(/^\[|\]$/g, ''), port }
}

function kubeConfigIn(args: readonly string[]): string | null {
  const [flag, path, ...more] = args
  if (flag === undefined) return null
  if (flag !== '--kubeconfig' || path === undefined || more.length > 0) {
    throw new SettingsError('the only flag is --kubeconfig <file>')
  }
  return path
}
