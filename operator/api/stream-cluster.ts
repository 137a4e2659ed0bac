import { z } from 'zod'
import { autoscaling, REPLICAS_MAX } from './autoscaling.ts'
import { fields, wholeNumber } from './fields.ts'

/**
 * The resource StreamCluster: one Kafka cluster on one bucket. Only fields that are obeyed are
 * here: a field that is accepted and ignored is a promise broken in silence. This schema is the
 * only source; what else describes the resource is generated from it.
 */
const STREAM_CLUSTER_API_VERSION = 'streamcluster.io/v1alpha1'
const STREAM_CLUSTER_KIND = 'StreamCluster'

/** RFC 1123 label, because the name becomes part of the names of services and pods. */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
/** Bucket names as S3 has them; other stores are no stricter. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** The default port of Kafka. */
const KAFKA_PORT = 9092

const metadata = fields({
  name: z
    .string({ error: 'must be text: the name of the cluster' })
    .regex(DNS_LABEL, 'must be a DNS label: lower-case letters, digits and dashes, at most 63')
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

const s3 = fields({
  bucket: z
    .string({ error: 'must be text: the name of the bucket' })
    .regex(BUCKET, 'must be the name of a bucket: 3 to 63 lower-case letters, digits, . and -')
    .describe('The bucket. All data and metadata of the cluster are objects in it.'),
  prefix: z
    .string()
    .regex(/^[A-Za-z0-9._/-]*$/, 'must consist of letters, digits and . _ - /')
    .regex(/^(?!\/)(?!.*\/\/)/, 'must not begin with / nor contain //')
    .optional()
    .describe('Where in the bucket the cluster lives. One prefix holds exactly one cluster.'),
  endpoint: z
    .url({ protocol: /^https?$/, error: 'must be a URL such as https://s3.example.com' })
    .optional()
    .describe('The address of an S3-compatible store. Default: AWS S3 of the region.'),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'must be the name of a region such as eu-central-1')
    .optional()
    .describe('The region of the bucket. Default: as configured in the environment.'),
})

const volume = fields({
  claimName: z
    .string()
    .min(1)
    .optional()
    .describe('The PersistentVolumeClaim that all brokers mount. No part in a local run.'),
  path: z
    .string()
    .min(1, 'must name a folder')
    .optional()
    .describe(
      'The folder: within the volume, or, in a local run, a folder of this machine ' +
        '(relative to the working directory).',
    ),
})

const storage = fields({
  s3: s3.optional().describe('A bucket of S3 or of a store compatible with it.'),
  volume: volume.optional().describe('A shared file system instead of a bucket.'),
}).refine((value) => (value.s3 === undefined) !== (value.volume === undefined), {
  error: 'must have exactly one of s3 and volume',
})

const listener = fields({
  name: z
    .string()
    .regex(/^[a-z0-9]{1,11}$/, 'must be 1 to 11 lower-case letters and digits')
    .describe('The name of the listener.'),
  port: wholeNumber(1, 65_535).describe('The port that clients bootstrap from.'),
  type: z
    .literal('internal', { error: 'must be internal' })
    .describe('internal: reachable inside Kubernetes or, in a local run, on this machine.'),
})

const spec = fields({
  replicas: wholeNumber(1, REPLICAS_MAX)
    .optional()
    .describe(
      'How many brokers to run. With autoscaling it belongs to the autoscaler, through the ' +
        'scale subresource: leave it out.',
    ),
  storage: storage.describe('Where everything is kept. Brokers themselves keep nothing.'),
  listeners: z
    .array(listener)
    .length(1, 'must list exactly one listener')
    .default([{ name: 'plain', port: KAFKA_PORT, type: 'internal' }])
    .describe('Where clients connect.'),
  config: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()], {
        error: 'must be text, a number, true or false',
      }),
    )
    .default({})
    .describe("Kafka's own broker settings, by Kafka's names, such as num.partitions."),
  autoscaling: autoscaling
    .optional()
    .describe('Lets the load decide the number of brokers. Without it, replicas is obeyed.'),
})

export const streamCluster = fields({
  apiVersion: z
    .literal(STREAM_CLUSTER_API_VERSION, { error: `must be ${STREAM_CLUSTER_API_VERSION}` })
    .describe('The version of this schema.'),
  kind: z
    .literal(STREAM_CLUSTER_KIND, { error: `must be ${STREAM_CLUSTER_KIND}` })
    .describe('The kind of this resource.'),
  metadata: metadata.describe('What the cluster is called.'),
  spec: spec.describe('What is wanted.'),
})

export type StreamCluster = z.infer<typeof streamCluster>
