import type { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'

const GROUPS = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand'
const TOPIC = 'records-by-tool'
/** Made by the console consumer. */
export const GROUP = 'console'

async function describe(bench: ToolBench): Promise<void> {
  await bench.says(GROUPS, ['--list'], /^console$/m)
  await bench.says(GROUPS, ['--list', '--state'], /console\s+Empty/)
  // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG …
  const row = new RegExp(`${GROUP}\\s+${TOPIC}\\s+0\\s+\\d+\\s+\\d+\\s+0\\s`)
  await bench.says(GROUPS, ['--describe', '--group', GROUP], row)
  await bench.says(GROUPS, ['--describe', '--group', GROUP, '--state'], /console\s.*Empty/)
}

async function resetOffsets(bench: ToolBench): Promise<void> {
  const common = ['--reset-offsets', '--group', GROUP, '--topic', TOPIC]
  const toEarliest = [...common, '--to-earliest', '--execute']
  await bench.run(GROUPS, ['--bootstrap-server', bench.bootstrap, ...toEarliest])
  // kafka-delete-records took the first ten of partition 0.
  const row = new RegExp(`${GROUP}\\s+${TOPIC}\\s+0\\s+10\\s`)
  await bench.says(GROUPS, ['--describe', '--group', GROUP], row)
  const toTime = [...common, '--to-datetime', '2020-01-01T00:00:00.000', '--dry-run']
  await bench.run(GROUPS, ['--bootstrap-server', bench.bootstrap, ...toTime])
}

async function deleteOffsets(bench: ToolBench): Promise<void> {
  const args = ['--delete-offsets', '--group', GROUP, '--topic', `${TOPIC}:1`]
  await bench.says(GROUPS, args, new RegExp(`${TOPIC}\\s+1\\s+Successful`))
}

async function deleteGroup(bench: ToolBench): Promise<void> {
  await bench.says(GROUPS, ['--delete', '--group', GROUP], /successful/)
  await bench.says(GROUPS, ['--list'], /^(?![\s\S]*^console$)/m)
}

async function groups(bench: ToolBench): Promise<void> {
  await bench.says('org.apache.kafka.tools.GroupsCommand', ['--list'], /performance\s+Classic/)
}

export const groupTools: readonly ToolTrial[] = [
  { tool: 'kafka-consumer-groups', title: 'list, describe', run: describe },
  { tool: 'kafka-consumer-groups', title: 'reset offsets', run: resetOffsets },
  { tool: 'kafka-consumer-groups', title: 'delete offsets', run: deleteOffsets },
  { tool: 'kafka-consumer-groups', title: 'delete a group', run: deleteGroup },
  { tool: 'kafka-groups', title: 'list', run: groups },
]
