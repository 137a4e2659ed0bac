import { z } from 'zod'
import { autoscaling, REPLICAS_MAX } from './autoscaling.ts'
import { fields, wholeNumber } from './fields.ts'
import { celRules, RAW_FIELD } from './kubernetes.ts'
import { listeners } from './listener-spec.ts'
import { storage } from './storage-spec.ts'

/**
 * The resource StreamCluster: one Kafka cluster on one bucket. Only fields that are obeyed are
 * here: a field that is accepted and ignored is a promise broken in silence. This schema is the
 * only source; what else describes the resource is generated from it (`make crds`).
 */
export const API_GROUP = 'streamcluster.io'
export const API_VERSION_NAME = 'v1alpha1'
export const STREAM_CLUSTER_API_VERSION = `${API_GROUP}/${API_VERSION_NAME}`
export const STREAM_CLUSTER_KIND = 'StreamCluster'

/** RFC 1035, and short enough for the names of services and pods that begin with it. */
const CLUSTER_NAME = /^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$/
const CLUSTER_NAME_WORDS =
  'must be lower-case letters, digits and dashes, a letter first, at most 40'
/** Kubernetes fills in this many if nobody else says how many. */
export const REPLICAS_DEFAULT = 3
/** A drain may take at most this long; the pods' grace period is derived from it. */
const DRAIN_SECONDS_MAX = 3600
const DRAIN_SECONDS_DEFAULT = 30

const metadata = fields({
  name: z
    .string({ error: 'must be text: the name of the cluster' })
    .regex(CLUSTER_NAME, CLUSTER_NAME_WORDS)
    .describe('The name of the cluster.'),
  namespace: z.string().optional().describe('For Kubernetes. No part in a local run.'),
  labels: z
    .record(z.string(), z.string())
    .optional()
    .describe('For Kubernetes. No part in a local run.'),
  annotations: z
    .record(z.string(), z.string())
    .optional()
    .describe('For Kubernetes. No part in a local run.'),
})

const onKubernetes = 'No part in a local run.'
const rawObject = z.record(z.string(), z.unknown())

export const streamClusterSpec = fields({
  replicas: wholeNumber(1, REPLICAS_MAX)
    .optional()
    .meta({ default: REPLICAS_DEFAULT })
    .describe(
      'How many brokers to run. With autoscaling it belongs to the autoscaler, through the ' +
        `scale subresource: leave it out. Default on Kubernetes: ${REPLICAS_DEFAULT}.`,
    ),
  storage: storage.describe('Where everything is kept. Brokers themselves keep nothing.'),
  listeners: listeners.describe('Where clients connect.'),
  config: z
    .record(
      z.string(),
      z
        .union([z.string(), z.number(), z.boolean()], {
          error: 'must be text, a number, true or false',
        })
        .meta(RAW_FIELD),
    )
    .default({})
    .describe(
      "Kafka's own broker settings, by Kafka's names, such as num.partitions. Those that Kafka " +
        'changes while brokers run are changed so; others restart the brokers, one by one.',
    ),
  autoscaling: autoscaling
    .optional()
    .describe('Lets the load decide the number of brokers. Without it, replicas is obeyed.'),
  rack: fields({
    topologyKey: z
      .enum(['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'], {
        error: 'must be topology.kubernetes.io/zone or topology.kubernetes.io/region',
      })
      .describe(
        'The label of nodes that names their rack. Kubernetes puts it on pods from 1.35 on; brokers know no rack without that.',
      ),
  })
    .optional()
    .describe(
      `Makes clients prefer what is near, and spreads brokers evenly over zones. ${onKubernetes}`,
    ),
  rebalance: fields({
    drainTimeoutSeconds: wholeNumber(1, DRAIN_SECONDS_MAX)
      .default(DRAIN_SECONDS_DEFAULT)
      .describe('A broker that is not empty after so long is ended; others take over from it.'),
  })
    .default({ drainTimeoutSeconds: DRAIN_SECONDS_DEFAULT })
    .describe(`How partitions move when brokers go. ${onKubernetes}`),
  podDisruptionBudget: fields({
    maxUnavailable: wholeNumber(0, REPLICAS_MAX)
      .default(1)
      .describe('How many brokers may be evicted at the same time; 0 forbids it.'),
  })
    .default({ maxUnavailable: 1 })
    .describe(`What draining a node of Kubernetes may do at once. ${onKubernetes}`),
  monitoring: fields({
    podMonitor: z
      .boolean()
      .default(false)
      .describe('Makes a PodMonitor, where the Prometheus operator is installed.'),
  })
    .default({ podMonitor: false })
    .describe(`How brokers are watched. ${onKubernetes}`),
  paused: z
    .boolean()
    .default(false)
    .describe(`Leaves everything as it is, until it is false again. ${onKubernetes}`),
  deletionPolicy: z
    .enum(['Retain', 'Delete'], { error: 'must be Retain or Delete' })
    .default('Retain')
    .describe(
      `What becomes of the objects in the store when the StreamCluster is deleted. ${onKubernetes}`,
    ),
  image: z
    .string()
    .regex(/^[^\s]+$/, 'must be the name of an image')
    .optional()
    .describe(`The image of the brokers. Default: the operator's own. ${onKubernetes}`),
  template: fields({
    pod: fields({
      metadata: fields({
        labels: z.record(z.string(), z.string()).optional().describe('More labels of the pods.'),
        annotations: z
          .record(z.string(), z.string())
          .optional()
          .describe('More annotations of the pods.'),
      })
        .optional()
        .describe('More metadata of the pods.'),
      spec: rawObject
        .meta(RAW_FIELD)
        .optional()
        .describe(
          "Merged into the pods' spec, containers and their variables by name: the broker's " +
            'container is called broker. Resources, tolerations, affinity and the like.',
        ),
    })
      .optional()
      .describe('The pods of brokers.'),
  })
    .optional()
    .describe(`Passed through to what the operator makes. ${onKubernetes}`),
})

export const streamCluster = fields({
  apiVersion: z
    .literal(STREAM_CLUSTER_API_VERSION, { error: `must be ${STREAM_CLUSTER_API_VERSION}` })
    .describe('The version of this schema.'),
  kind: z
    .literal(STREAM_CLUSTER_KIND, { error: `must be ${STREAM_CLUSTER_KIND}` })
    .describe('The kind of this resource.'),
  metadata: metadata.describe('What the cluster is called.'),
  spec: streamClusterSpec.describe('What is wanted.'),
}).meta(
  celRules([
    `self.metadata.name.matches('${CLUSTER_NAME.source}')`,
    `metadata.name ${CLUSTER_NAME_WORDS}`,
  ]),
)

export type StreamCluster = z.infer<typeof streamCluster>
export type StreamClusterSpec = z.infer<typeof streamClusterSpec>
