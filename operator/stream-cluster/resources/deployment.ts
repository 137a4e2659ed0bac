import { createHash } from 'node:crypto'
import type { KubeObject } from '../../kube/objects.ts'
import { ANNOTATION_RESTART, childLabels, GATE_ADDRESS, selectorLabels } from '../labels.ts'
import { brokerContainer, brokerVolumes, DRAIN_MARGIN_SECONDS } from './broker-container.ts'
import { configsOf, restartConfigs } from './config-map.ts'
import { type ChildContext, child, childNames, isExternal } from './context.ts'
import { type Json, mergeRaw } from './merge.ts'

/** A user of no name: brokers need none. */
const USER_ID = 65_532
/** A new broker counts as there only when it has stayed: one that falls at once stops an upgrade. */
const MIN_READY_SECONDS = 3
/** Kubernetes waits five minutes by default for a lost node's pods, which may have something to keep. */
const LOST_NODE_SECONDS = 5
const LOST_NODE_TAINTS = ['node.kubernetes.io/unreachable', 'node.kubernetes.io/not-ready']
const ZONE = 'topology.kubernetes.io/zone'
const HOSTNAME = 'kubernetes.io/hostname'

/**
 * The brokers. A Deployment, because a broker has nothing to keep: no name, no disk. `replicas` is
 * written here alone. An upgrade adds a broker before it ends one, which then drains by itself.
 */
export function deployment(context: ChildContext, replicas: number): KubeObject {
  const header = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: childNames.deployment(context.name),
  }
  return child(context, header, {
    spec: {
      replicas,
      selector: { matchLabels: selectorLabels(context.name) },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      minReadySeconds: MIN_READY_SECONDS,
      revisionHistoryLimit: 2,
      template: podTemplate(context),
    },
  })
}

function podTemplate(context: ChildContext): Json {
  const { spec } = context
  const raw = spec.template?.pod
  const needsAddress = spec.listeners.some(isExternal)
  const base = {
    serviceAccountName: childNames.serviceAccount(context.name),
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: spec.rebalance.drainTimeoutSeconds + DRAIN_MARGIN_SECONDS,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER_ID,
      runAsGroup: USER_ID,
      fsGroup: USER_ID,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    topologySpreadConstraints: spread(context),
    tolerations: lostNodeTolerations(raw?.spec ?? {}),
    ...(needsAddress ? { schedulingGates: [{ name: GATE_ADDRESS }] } : {}),
    containers: [brokerContainer(context)],
    volumes: brokerVolumes(context),
  }
  return {
    metadata: {
      labels: { ...raw?.metadata?.labels, ...childLabels(context.name) },
      annotations: { ...raw?.metadata?.annotations, [ANNOTATION_RESTART]: restartHash(context) },
    },
    spec: mergeRaw(base, raw?.spec ?? {}),
  }
}

/** Even, but never at the price of a broker that cannot be placed. */
function spread(context: ChildContext): object[] {
  return [context.spec.rack?.topologyKey ?? ZONE, HOSTNAME].map((topologyKey) => ({
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selectorLabels(context.name) },
    // While an upgrade goes on, the new brokers are to be even among themselves.
    matchLabelKeys: ['pod-template-hash'],
  }))
}

/** Brokers of a lost node are soon replaced, unless the template says otherwise. */
function lostNodeTolerations(raw: Json): object[] {
  const others = (raw.tolerations ?? []) as readonly { readonly key?: string }[]
  return LOST_NODE_TAINTS.filter((key) => !others.some((other) => (other.key ?? key) === key)).map(
    (key) => ({
      ...{ key, operator: 'Exists', effect: 'NoExecute' },
      tolerationSeconds: LOST_NODE_SECONDS,
    }),
  )
}

/** Of what a broker reads once, at its start, and the rest of the template does not show. */
function restartHash(context: ChildContext): string {
  const { spec, secrets } = context
  const credentials = spec.storage.s3?.credentialsSecretRef?.name
  const version = credentials === undefined ? '' : secrets.get(credentials)?.digest
  return createHash('sha256')
    .update(JSON.stringify([restartConfigs(configsOf(spec)), version ?? '']))
    .digest('hex')
    .slice(0, 16)
}
