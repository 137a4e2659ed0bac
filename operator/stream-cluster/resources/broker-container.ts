import { posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ADMIN_PORT, type ListenerSpec } from '../../api/listener-spec.ts'
import { s3Url } from '../../api/store-url.ts'
import { advertisedAnnotation } from '../labels.ts'
import { CONFIG_KEY } from './config-map.ts'
import { type ChildContext, childNames, isExternal, portName } from './context.ts'

/** The grace period is this much longer than a drain, for what comes after it. */
export const DRAIN_MARGIN_SECONDS = 10
/**
 * Without a request Kubernetes lets everything else on the node go first, and others take a broker
 * that gets no time for a dead one. The memory is what its budgets add up to, with some to spare.
 */
const REQUESTS = { cpu: '500m', memory: '1280Mi' }
const VOLUME_PATH = '/var/lib/streamcluster'
const TLS_PATH = '/etc/streamcluster/tls'

interface Variable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: object
}

/** The container `broker`; everything in it may be changed by `spec.template.pod.spec`. */
export function brokerContainer(context: ChildContext): Record<string, unknown> {
  const { spec, operator } = context
  return {
    name: 'broker',
    image: spec.image ?? operator.image,
    args: ['broker'],
    ports: [
      ...spec.listeners.map((listener) => ({
        name: portName(listener),
        containerPort: listener.port,
        protocol: 'TCP',
      })),
      { name: 'admin', containerPort: ADMIN_PORT, protocol: 'TCP' },
    ],
    env: environment(context),
    // Often, because a client that begins at a broker which is gone waits for nothing.
    readinessProbe: probe('/readyz', { periodSeconds: 1, failureThreshold: 2 }),
    livenessProbe: probe('/livez', { periodSeconds: 5, failureThreshold: 6 }),
    resources: { requests: REQUESTS },
    securityContext: {
      allowPrivilegeEscalation: false,
      privileged: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      ...(spec.storage.volume === undefined ? [] : [{ name: 'store', mountPath: VOLUME_PATH }]),
      ...spec.listeners.flatMap((listener) =>
        listener.tls ? [{ name: tlsVolume(listener), mountPath: tlsFolder(listener) }] : [],
      ),
    ],
  }
}

export function brokerVolumes(context: ChildContext): object[] {
  const { volume } = context.spec.storage
  return [
    { name: 'tmp', emptyDir: { sizeLimit: '64Mi' } },
    ...(volume === undefined
      ? []
      : [{ name: 'store', persistentVolumeClaim: { claimName: volume.claimName ?? '' } }]),
    ...context.spec.listeners.flatMap((listener) => {
      const secretName = listener.certificateSecretRef?.name
      return secretName ? [{ name: tlsVolume(listener), secret: { secretName } }] : []
    }),
  ]
}

/** Each variable before those that refer to it as $(NAME): Kubernetes expands them in order. */
function environment(context: ChildContext): Variable[] {
  const { spec, name } = context
  const { listeners } = spec
  const external = listeners.filter(isExternal)
  const withTls = listeners.filter(({ tls }) => tls)
  return [
    fromField('POD_IP', 'status.podIP'),
    ...(external.length === 0 ? [] : [fromField('HOST_IP', 'status.hostIP')]),
    ...external.map((listener) =>
      fromField(
        advertisedVariable(listener),
        `metadata.annotations['${advertisedAnnotation(listener.name)}']`,
      ),
    ),
    { name: 'STREAMCLUSTER_STORE', value: storeUrl(context) },
    ...credentials(context),
    { name: 'STREAMCLUSTER_LISTENERS', value: pairs(listeners, ({ port }) => `0.0.0.0:${port}`) },
    { name: 'STREAMCLUSTER_ADVERTISED_LISTENERS', value: pairs(listeners, advertisedIn(context)) },
    // Other brokers call this address, so it must not be any address.
    { name: 'STREAMCLUSTER_ADMIN_LISTEN', value: `$(POD_IP):${ADMIN_PORT}` },
    {
      name: 'STREAMCLUSTER_CONFIG',
      valueFrom: { configMapKeyRef: { name: childNames.config(name), key: CONFIG_KEY } },
    },
    {
      name: 'STREAMCLUSTER_DRAIN_MS_MAX',
      value: String(spec.rebalance.drainTimeoutSeconds * 1000),
    },
    ...(spec.rack === undefined
      ? []
      : [fromField('STREAMCLUSTER_RACK', `metadata.labels['${spec.rack.topologyKey}']`)]),
    ...(withTls.length === 0
      ? []
      : [
          {
            name: 'STREAMCLUSTER_TLS_CERTIFICATE',
            value: pairs(withTls, (listener) => `${tlsFolder(listener)}/tls.crt`),
          },
          {
            name: 'STREAMCLUSTER_TLS_KEY',
            value: pairs(withTls, (listener) => `${tlsFolder(listener)}/tls.key`),
          },
        ]),
  ]
}

function fromField(name: string, fieldPath: string): Variable {
  return { name, valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }
}

function pairs(listeners: readonly ListenerSpec[], textOf: (one: ListenerSpec) => string): string {
  return listeners.map((listener) => `${listener.name}=${textOf(listener)}`).join(',')
}

/**
 * What clients are told: the pod, a port of its node, or a load balancer's address. With TLS a pod
 * has a name (broker/listener-settings.ts), because no certificate can list addresses to come.
 */
function advertisedIn({ name, namespace }: ChildContext): (listener: ListenerSpec) => string {
  return (listener) => {
    const { port, type, tls } = listener
    if (type === 'internal') {
      return tls ? `*.${childNames.brokers(name)}.${namespace}.svc:${port}` : `$(POD_IP):${port}`
    }
    const annotated = `$(${advertisedVariable(listener)})`
    return type === 'nodeport' ? `$(HOST_IP):${annotated}` : annotated
  }
}

function advertisedVariable(listener: ListenerSpec): string {
  return `ADVERTISED_${listener.name.toUpperCase()}`
}

/** The store as a URL. A path within a volume cannot lead out of it. */
function storeUrl(context: ChildContext): string {
  const { s3, volume } = context.spec.storage
  if (s3 !== undefined) return s3Url(s3)
  const path = posix.join('/', volume?.path ?? '').replace(/\/$/, '')
  return pathToFileURL(`${VOLUME_PATH}${path}`).href
}

function credentials(context: ChildContext): Variable[] {
  const name = context.spec.storage.s3?.credentialsSecretRef?.name
  if (name === undefined) return []
  const from = (key: string, optional: boolean): Variable => ({
    name: key,
    valueFrom: { secretKeyRef: { name, key, ...(optional ? { optional } : {}) } },
  })
  return [
    from('AWS_ACCESS_KEY_ID', false),
    from('AWS_SECRET_ACCESS_KEY', false),
    from('AWS_SESSION_TOKEN', true),
  ]
}

function probe(path: string, timing: object): object {
  return { httpGet: { path, port: 'admin' }, timeoutSeconds: 2, ...timing }
}

function tlsVolume(listener: ListenerSpec): string {
  return `tls-${listener.name}`
}

function tlsFolder(listener: ListenerSpec): string {
  return `${TLS_PATH}/${listener.name}`
}
