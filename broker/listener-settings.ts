/** Where a server listens. `host` as the system takes it; port 0 for any free one. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Whether clients must show a certificate, in Kafka's words (ssl.client.auth). */
export type ClientAuthentication = 'none' | 'requested' | 'required'

/** The files of a TLS listener, in PEM, and what is asked of its clients. */
export interface TlsSettings {
  /** The certificate, followed by those between it and the clients' trusted root. */
  readonly certificateFile: string
  readonly keyFile: string
  /** Who signs clients' certificates; null where they are not asked for any. */
  readonly clientCaFile: string | null
  readonly clientAuthentication: ClientAuthentication
  readonly versionMin: 'TLSv1.2' | 'TLSv1.3'
}

/** One address that clients connect to, and what they are told of the brokers there. */
export interface ListenerSettings {
  /** Lower case. Clients hear the addresses of the listeners of the same name. */
  readonly name: string
  readonly listen: ListenAddress
  /** What clients are told to connect to; null: the listening address. */
  readonly advertised: ListenAddress | null
  /** Null: plain text. */
  readonly tls: TlsSettings | null
}

export class SettingsError extends Error {
  override name = 'SettingsError'
}

/** Throws what a person must mend, by the variable's name. */
export function refuse(name: string, value: string, expected: string): never {
  throw new SettingsError(`${name}='${value}' is not understood: expected ${expected}`)
}

/** `host:port`; an IPv6 address stands in brackets, and no host means all of them. */
export function address(name: string, text: string): ListenAddress {
  const match = /^(\[[^\]]+\]|[^:]*):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) refuse(name, text, 'host:port, such as 127.0.0.1:9092')
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, '') || '0.0.0.0', port }
}

type Environment = Readonly<Record<string, string | undefined>>

/** The name of the only listener where none is named. */
const DEFAULT_LISTENER = 'default'

const PAIR = /^\s*([A-Za-z][A-Za-z0-9_-]*)=(.*)$/

/** `name=value,name=value`. Names have no case, as Kafka's have none. */
function pairs(variable: string, text: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const part of text.split(',')) {
    const [, name = '', value = ''] = PAIR.exec(part) ?? []
    if (name === '' || value.trim() === '') {
      refuse(variable, text, 'name=value pairs with commas between, such as external=…,internal=…')
    }
    const key = name.toLowerCase()
    if (found.has(key)) refuse(variable, text, `every listener once; ${key} is there twice`)
    found.set(key, value.trim())
  }
  return found
}

/** A variable with one value per listener: pairs, or the bare value where there is one listener. */
function perListener(
  env: Environment,
  variable: string,
  names: readonly string[],
): ReadonlyMap<string, string> {
  const text = env[variable]
  if (!text) return new Map()
  const [only] = names
  if (names.length === 1 && only !== undefined && !PAIR.test(text)) return new Map([[only, text]])
  const found = pairs(variable, text)
  for (const name of found.keys()) {
    if (!names.includes(name)) refuse(variable, text, `listeners among ${names.join(', ')}`)
  }
  return found
}

const TLS = {
  certificate: 'STREAMCLUSTER_TLS_CERTIFICATE',
  key: 'STREAMCLUSTER_TLS_KEY',
  clientCa: 'STREAMCLUSTER_TLS_CLIENT_CA',
  clientAuthentication: 'STREAMCLUSTER_TLS_CLIENT_AUTH',
  versionMin: 'STREAMCLUSTER_TLS_MIN_VERSION',
} as const

/** The TLS settings of each listener that has any. */
function tlsOf(env: Environment, names: readonly string[]): ReadonlyMap<string, TlsSettings> {
  const values = (variable: string): ReadonlyMap<string, string> =>
    perListener(env, variable, names)
  const certificates = values(TLS.certificate)
  const keys = values(TLS.key)
  const clientCas = values(TLS.clientCa)
  const authentications = values(TLS.clientAuthentication)
  const versions = values(TLS.versionMin)
  const found = new Map<string, TlsSettings>()
  for (const name of names) {
    const certificateFile = certificates.get(name)
    const keyFile = keys.get(name)
    const clientCaFile = clientCas.get(name) ?? null
    const others = [clientCaFile, authentications.get(name), versions.get(name)]
    if (certificateFile === undefined && keyFile === undefined) {
      if (others.every((value) => value == null)) continue
      throw new SettingsError(
        `the listener ${name} has TLS settings, but no ${TLS.certificate} and ${TLS.key}`,
      )
    }
    if (certificateFile === undefined || keyFile === undefined) {
      const missing = certificateFile === undefined ? TLS.certificate : TLS.key
      throw new SettingsError(`${missing} is not set for the listener ${name}: TLS needs both`)
    }
    const clientAuthentication = authenticationOf(authentications.get(name), clientCaFile)
    const versionMin = versionOf(versions.get(name))
    found.set(name, { certificateFile, keyFile, clientCaFile, clientAuthentication, versionMin })
  }
  return found
}

function authenticationOf(text: string | undefined, caFile: string | null): ClientAuthentication {
  // Whoever names those who sign clients' certificates wants them; saying so twice is not needed.
  const value = text ?? (caFile === null ? 'none' : 'required')
  if (value !== 'none' && value !== 'requested' && value !== 'required') {
    return refuse(TLS.clientAuthentication, value, 'none, requested or required')
  }
  if (value !== 'none' && caFile === null) {
    // Without it Node would trust every certificate that any public authority has signed.
    throw new SettingsError(
      `${TLS.clientAuthentication}='${value}' needs ${TLS.clientCa}: who signs clients' certificates`,
    )
  }
  return value
}

function versionOf(text: string | undefined): TlsSettings['versionMin'] {
  switch (text ?? '1.2') {
    case '1.2':
      return 'TLSv1.2'
    case '1.3':
      return 'TLSv1.3'
    default:
      return refuse(TLS.versionMin, text ?? '', '1.2 or 1.3')
  }
}

/**
 * The listeners: those that are named, or the one of the simple form. Throws {@link SettingsError},
 * whose message names the variable.
 */
export function listenerSettings(env: Environment): readonly ListenerSettings[] {
  const listeners = env['STREAMCLUSTER_LISTENERS']
  if (!listeners) return [simpleListener(env)]
  const advertisedListeners = 'STREAMCLUSTER_ADVERTISED_LISTENERS'
  for (const other of ['STREAMCLUSTER_LISTEN', 'STREAMCLUSTER_ADVERTISED']) {
    if (!env[other]) continue
    throw new SettingsError(`${other} and STREAMCLUSTER_LISTENERS are both set: use one of them`)
  }
  const named = pairs('STREAMCLUSTER_LISTENERS', listeners)
  const names = [...named.keys()]
  const advertised = perListener(env, advertisedListeners, names)
  const tls = tlsOf(env, names)
  return names.map((name) => {
    const told = advertised.get(name)
    return {
      name,
      listen: address('STREAMCLUSTER_LISTENERS', named.get(name) ?? ''),
      advertised: told === undefined ? null : advertisedAddress(env, advertisedListeners, told),
      tls: tls.get(name) ?? null,
    }
  })
}

/**
 * As {@link address}; a host that begins with `*.` is the name that Kubernetes' DNS gives to this pod
 * below a Service: the address in POD_IP, with dashes. So a certificate for the same text covers it.
 */
function advertisedAddress(env: Environment, variable: string, text: string): ListenAddress {
  const { host, port } = address(variable, text)
  if (!host.startsWith('*.')) return { host, port }
  const podAddress = env['POD_IP']
  if (!podAddress) throw new SettingsError(`${variable}='${text}' needs POD_IP, the pod's address`)
  return { host: podAddress.replace(/[.:]/g, '-') + host.slice(1), port }
}

function simpleListener(env: Environment): ListenerSettings {
  if (env['STREAMCLUSTER_ADVERTISED_LISTENERS']) {
    throw new SettingsError(
      'STREAMCLUSTER_ADVERTISED_LISTENERS needs STREAMCLUSTER_LISTENERS; with one listener ' +
        'STREAMCLUSTER_ADVERTISED is enough',
    )
  }
  const advertised = env['STREAMCLUSTER_ADVERTISED']
  return {
    name: DEFAULT_LISTENER,
    listen: address('STREAMCLUSTER_LISTEN', env['STREAMCLUSTER_LISTEN'] || '0.0.0.0:9092'),
    advertised: advertised ? address('STREAMCLUSTER_ADVERTISED', advertised) : null,
    tls: tlsOf(env, [DEFAULT_LISTENER]).get(DEFAULT_LISTENER) ?? null,
  }
}
