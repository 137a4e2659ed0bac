import { z } from 'zod'
import { fields } from './fields.ts'

/** Draining brokers that are listed; the others are counted. */
export const DRAINING_LISTED_MAX = 16

const count = z.int().min(0)

const condition = fields({
  type: z.string().describe('What it is about.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it is so.'),
  observedGeneration: z.int().describe('The generation of the resource that was looked at.'),
  lastTransitionTime: z
    .string()
    .meta({ format: 'date-time' })
    .describe('When status last changed.'),
  reason: z.string().describe('Why, in one word for programs.'),
  message: z.string().describe('Why, in words for people.'),
})

/** `status` of a StreamCluster. Nothing in it changes while nothing happens. */
export const streamClusterStatus = fields({
  observedGeneration: z.int().optional().describe('The generation that this status is about.'),
  clusterId: z.string().optional().describe("Kafka's id of the cluster."),
  replicas: count
    .optional()
    .describe('Brokers that are meant to stay: neither draining nor there for an upgrade only.'),
  readyReplicas: count.optional().describe('Those of them that serve.'),
  drainingReplicas: count.optional().describe('Brokers that are being emptied.'),
  selector: z.string().optional().describe('The labels of active brokers, for autoscalers.'),
  draining: z
    .array(
      fields({
        pod: z.string().describe('The pod.'),
        broker: z.int().nullable().meta({ nullable: true }).describe('Its broker id, if known.'),
        since: z.string().meta({ format: 'date-time' }).describe('Since when it drains.'),
      }),
    )
    .max(DRAINING_LISTED_MAX)
    .optional()
    .describe('Brokers that are being emptied; the first of them, if they are many.'),
  listeners: z
    .array(
      fields({
        name: z.string().describe('The name of the listener.'),
        bootstrapServers: z.string().describe("What clients take as bootstrap.servers; ''."),
      }),
    )
    .optional()
    .describe('Where clients connect.'),
  conditions: z
    .array(condition)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .optional()
    .describe('Ready, Reconciling, Stalled (kstatus), and what they rest on.'),
})

export type StreamClusterStatus = z.infer<typeof streamClusterStatus>
export type Condition = z.infer<typeof condition>
