import { access } from 'node:fs/promises'
import { posix } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from '../../base/clock.ts'
import type { StreamClusterStatus } from '../api/stream-cluster-status.ts'
import { type StreamClusterSpec, streamClusterSpec } from '../api/stream-cluster.ts'
import { s3Url } from '../api/store-url.ts'
import { keyOf, type KubeObject } from '../kube/objects.ts'
import type { ClusterSessions, Look, Place } from '../ownership/sessions.ts'
import type { StoreOutcome } from '../ownership/store-outcome.ts'
import type { BrokerReports } from './broker-reports.ts'
import {
  type BrokerReport,
  neededSecrets,
  type Observed,
  type ObservedCluster,
  type OperatorFacts,
} from './observed.ts'
import type { Secret, Secrets } from './secrets.ts'
import { isReady } from './pods.ts'
import type { Watches } from './watches.ts'

/** A pass waits so long for the newest metadata; what is known does where the store is slow. */
const REFRESH_MS_MAX = 1_000
/** A broker that is ready and was never asked for its load gets so long to tell it. */
const REPORT_MS_MAX = 500

export interface ObserverOptions {
  readonly clock: Clock
  readonly watches: Watches
  readonly reports: BrokerReports
  readonly secrets: Secrets
  readonly sessions: ClusterSessions
  readonly operator: OperatorFacts
  /** Claims are mounted at `<namespace>/<claim>` below this folder; see {@link placeOf}. */
  readonly volumesFolder: string
}

/** Reads everything that a plan is made of. */
export class Observer {
  private readonly options: ObserverOptions

  constructor(options: ObserverOptions) {
    this.options = options
  }

  /** Throws when the API server does not let Secrets be read now. */
  async observe(object: KubeObject, signal: AbortSignal): Promise<Observed> {
    const { clock, watches, reports, operator } = this.options
    const cluster = observedCluster(object)
    const key = keyOf({ namespace: cluster.namespace, name: cluster.name })
    const secrets = await this.secretsOf(cluster, signal)
    const { store, session } = await this.lookAtStore(key, cluster, secrets)
    await session?.refresh(REFRESH_MS_MAX)
    const pods = watches.pods(key)
    await reports.asked(pods.filter(isReady), REPORT_MS_MAX)
    const told = new Map<string, BrokerReport>()
    for (const { metadata } of pods) {
      const load = reports.of(metadata.uid ?? '')?.load
      if (load === undefined) continue
      const bytesPerSecond = load.bytesInPerSecond + load.bytesOutPerSecond
      told.set(metadata.name ?? '', { bytesPerSecond })
    }
    return {
      nowMs: clock.wallMs(),
      cluster,
      children: watches.children(cluster.uid),
      pods,
      secrets,
      ownership: session?.ownership ?? null,
      reports: told,
      store,
      operator,
    }
  }

  private async secretsOf(
    { spec, namespace }: ObservedCluster,
    signal: AbortSignal,
  ): Promise<Map<string, Secret>> {
    const found = new Map<string, Secret>()
    if (spec === null) return found
    for (const name of neededSecrets(spec).keys()) {
      const secret = await this.options.secrets.get({ namespace, name }, signal)
      if (secret !== null) found.set(name, secret)
    }
    return found
  }

  private async lookAtStore(
    key: string,
    cluster: ObservedCluster,
    secrets: ReadonlyMap<string, Secret>,
  ): Promise<Look> {
    const { spec, namespace } = cluster
    const { sessions, volumesFolder } = this.options
    if (spec === null) return { store: unknown('the spec is not valid'), session: null }
    const place = await placeOf({ spec, namespace, secrets, volumesFolder })
    if ('url' in place) {
      const { clusterId = null } = cluster.status
      const look = await sessions.look(key, { ...place, clusterId })
      return isOwnIdentity(spec) ? unseenIfDenied(look) : look
    }
    await sessions.close(key)
    // A store that nobody can look at must not hold up the deletion of its cluster.
    const isDeleted = cluster.deletedAtMs !== null
    return { store: isDeleted ? { ...place, outcome: 'missing' } : place, session: null }
  }
}

/** Whether each process has an identity of its own at the store: there are no credentials to share. */
function isOwnIdentity({ storage: { s3 } }: StreamClusterSpec): boolean {
  return s3 !== undefined && s3.credentialsSecretRef === undefined
}

/** What the operator may not look at, its brokers may. */
function unseenIfDenied(look: Look): Look {
  if (look.store.outcome !== 'denied') return look
  const message = `a broker leads the cluster, for the operator's own identity may not: ${look.store.message}`
  return { ...look, store: { outcome: 'unseen', message } }
}

function unknown(message: string): StoreOutcome {
  return { outcome: 'unknown', message }
}

/** Where a cluster keeps everything, as this process gets there; or why it does not. */
async function placeOf(about: {
  readonly spec: StreamClusterSpec
  readonly namespace: string
  readonly secrets: ReadonlyMap<string, Secret>
  readonly volumesFolder: string
}): Promise<Omit<Place, 'clusterId'> | StoreOutcome> {
  const { spec, namespace, secrets, volumesFolder } = about
  const { s3, volume } = spec.storage
  if (s3 !== undefined) {
    const url = s3Url(s3)
    const name = s3.credentialsSecretRef?.name
    if (name === undefined) return { url, credentials: undefined, version: url }
    const secret = secrets.get(name)
    const credentials = credentialsIn(secret)
    if (credentials === undefined) return unknown(`the Secret ${name} has no credentials`)
    return { url, credentials, version: `${url} ${secret?.digest}` }
  }
  const claim = volume?.claimName ?? ''
  const mounted = `${volumesFolder}/${namespace}/${claim}`
  const isThere = await access(mounted).then(
    () => true,
    () => false,
  )
  if (!isThere) {
    const message =
      `the operator has not mounted the claim ${claim} (volumeClaims of its chart): ` +
      'a broker leads the cluster'
    return { outcome: 'unseen', message }
  }
  const path = posix.join('/', volume?.path ?? '').replace(/\/$/, '')
  const url = pathToFileURL(`${mounted}${path}`).href
  return { url, credentials: undefined, version: url }
}

function credentialsIn(secret: Secret | undefined): Place['credentials'] {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = secret?.values ?? {}
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) return undefined
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  }
}

/** The StreamCluster as a plan knows it. */
function observedCluster(object: KubeObject): ObservedCluster {
  const { metadata, status } = object
  const parsed = streamClusterSpec.safeParse(object.spec ?? {})
  const deletedAtMs = Date.parse(metadata.deletionTimestamp ?? '')
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    generation: metadata.generation ?? 0,
    deletedAtMs: Number.isNaN(deletedAtMs) ? null : deletedAtMs,
    finalizers: metadata.finalizers ?? [],
    spec: parsed.success ? parsed.data : null,
    problems: parsed.success
      ? []
      : parsed.error.issues.map(({ path, message }) => `${pathText(path)} ${message}`),
    // Nobody else writes it: who may, is the operator's equal.
    status: (status ?? {}) as StreamClusterStatus,
  }
}

function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, step) => text + (typeof step === 'number' ? `[${step}]` : `.${String(step)}`),
    'spec',
  )
}
