import type { KnownFailure } from '../lib/client.ts'
import type { ToolTrial } from './tool-trial.ts'

/** What the broker does not serve yet: refused in words that say so, and nothing hangs. */
function unserved(api: string, keyInWords: string): KnownFailure {
  return {
    why: `the broker does not serve ${api} yet, and the tool says so`,
    pattern: new RegExp(`does not support ${keyInWords}`),
  }
}

const QUOTAS = unserved('DescribeClientQuotas', 'DESCRIBE_CLIENT_QUOTAS')

function trial(
  title: string,
  mainClass: string,
  args: readonly string[],
  known: KnownFailure,
): Omit<ToolTrial, 'tool'> {
  return {
    title,
    known,
    run: async (bench) => {
      await bench.run(mainClass, ['--bootstrap-server', bench.bootstrap, ...args])
    },
  }
}

const CONFIGS = 'kafka.admin.ConfigCommand'
const TOOLS = 'org.apache.kafka.tools'
const QUOTA = ['--alter', '--add-config', 'consumer_byte_rate=1000000']

export const unservedTools: readonly ToolTrial[] = [
  {
    tool: 'kafka-configs',
    ...trial(
      'quotas of a user',
      CONFIGS,
      [...QUOTA, '--entity-type', 'users', '--entity-name', 'a'],
      QUOTAS,
    ),
  },
  {
    tool: 'kafka-configs',
    ...trial(
      'quotas of a client id',
      CONFIGS,
      [...QUOTA, '--entity-type', 'clients', '--entity-name', 'a'],
      QUOTAS,
    ),
  },
  {
    tool: 'kafka-transactions',
    ...trial(
      'list',
      `${TOOLS}.TransactionsCommand`,
      ['list'],
      unserved('ListTransactions', 'LIST_TRANSACTIONS'),
    ),
  },
  {
    tool: 'kafka-acls',
    ...trial('list', `${TOOLS}.AclCommand`, ['--list'], unserved('DescribeAcls', 'DESCRIBE_ACLS')),
  },
  {
    tool: 'kafka-metadata-quorum',
    ...trial(
      'describe',
      `${TOOLS}.MetadataQuorumCommand`,
      ['describe', '--status'],
      unserved('DescribeQuorum', 'DESCRIBE_QUORUM'),
    ),
  },
]
