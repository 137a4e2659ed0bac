/** Kafka's numbers of what may be allowed on a resource (AclOperation). */
const operation = {
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
  IDEMPOTENT_WRITE: 12,
} as const

function bitsOf(names: readonly (keyof typeof operation)[]): number {
  return names.reduce((bits, name) => bits | (1 << operation[name]), 0)
}

/** KIP-430, without an authorizer: everybody may do everything that exists for a topic. */
export const TOPIC_OPERATIONS = bitsOf([
  'READ',
  'WRITE',
  'CREATE',
  'DELETE',
  'ALTER',
  'DESCRIBE',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
])

/** The same for the cluster. */
export const CLUSTER_OPERATIONS = bitsOf([
  'CREATE',
  'ALTER',
  'DESCRIBE',
  'CLUSTER_ACTION',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
  'IDEMPOTENT_WRITE',
])

/** The same for a group. */
export const GROUP_OPERATIONS = bitsOf([
  'READ',
  'DELETE',
  'DESCRIBE',
  'DESCRIBE_CONFIGS',
  'ALTER_CONFIGS',
])
