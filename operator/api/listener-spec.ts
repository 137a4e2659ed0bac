import { z } from 'zod'
import { fields, wholeNumber } from './fields.ts'
import { celRules, dnsName } from './kubernetes.ts'

/** The default port of Kafka. */
const KAFKA_PORT = 9092
/** Health, metrics, and calls between brokers. */
export const ADMIN_PORT = 9644
/** Each is a socket of every broker; it also bounds what the API server spends on the rules. */
const LISTENERS_MAX = 8

const listener = fields({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9]{0,10}$/, 'must be 1 to 11 lower-case letters and digits, a letter first')
    .describe('The name of the listener.'),
  port: wholeNumber(1, 65_535).describe(
    `The port that clients bootstrap from. Not ${ADMIN_PORT}, which brokers need themselves.`,
  ),
  type: z
    .enum(['internal', 'nodeport', 'loadbalancer'], {
      error: 'must be internal, nodeport or loadbalancer',
    })
    .describe(
      'internal: reachable inside Kubernetes or, in a local run, on this machine. nodeport: by ' +
        'a port of any node, one for each broker. loadbalancer: by a load balancer for each broker.',
    ),
  tls: z
    .boolean()
    .optional()
    .describe('Whether clients speak TLS here; then certificateSecretRef is needed.'),
  certificateSecretRef: fields({
    name: dnsName.describe('The name of the Secret, in the namespace of the cluster.'),
  })
    .optional()
    .describe(
      'The Secret with tls.crt and tls.key, as cert-manager writes it. A replaced certificate is ' +
        'taken without a restart.',
    ),
})
  .refine((value) => (value.tls ?? false) === (value.certificateSecretRef !== undefined), {
    path: ['certificateSecretRef'],
    error: 'must be given if tls is true, and only then',
  })
  .meta(
    celRules(
      [
        'self.?tls.orValue(false) == has(self.certificateSecretRef)',
        'certificateSecretRef must be given if tls is true, and only then',
      ],
      [`self.port != ${ADMIN_PORT}`, `port ${ADMIN_PORT} is the brokers' own: choose another one`],
    ),
  )

function differ<T>(values: readonly T[]): boolean {
  return new Set(values).size === values.length
}

export const listeners = z
  .array(listener)
  .min(1, 'must list at least one listener')
  .max(LISTENERS_MAX, `must list at most ${LISTENERS_MAX} listeners`)
  .refine((list) => differ(list.map(({ port }) => port)), 'must have ports that differ')
  .refine((list) => differ(list.map(({ name }) => name)), 'must have names that differ')
  .refine((list) => list.every(({ port }) => port !== ADMIN_PORT), {
    error: `must not use port ${ADMIN_PORT}, which is the brokers' own`,
  })
  .meta({
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    ...celRules([
      'self.all(one, self.exists_one(other, other.port == one.port))',
      'ports of listeners must differ',
    ]),
  })
  .default([{ name: 'plain', port: KAFKA_PORT, type: 'internal' }])

export type ListenerSpec = z.infer<typeof listener>
