import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Finished, finished, spawnGuarded } from './child.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/kafka-tools.sh', import.meta.url))
const ASSIGNORS = 'org.apache.kafka.clients.consumer'

interface Told {
  readonly name: string
  readonly count?: number
  readonly success?: boolean
  readonly partitions?: readonly { readonly topic: string; readonly partition: number }[]
}

/**
 * Kafka's VerifiableConsumer: the Java client's consumer in a group, which commits after every poll
 * and tells what it was assigned, what was taken from it, and how much it read.
 */
export class VerifiableConsumer {
  /** How often something was assigned, and taken away. */
  assignedCount = 0
  revokedCount = 0
  recordCount = 0
  readonly failedCommits: string[] = []
  readonly assigned = new Set<number>()
  private readonly child: ChildProcess
  private readonly ended: Promise<Finished>

  constructor(options: {
    bootstrap: readonly string[]
    topic: string
    groupId: string
    assignor: 'CooperativeStickyAssignor' | 'RangeAssignor'
    instanceId?: string
    /** A properties file with more of the client's configs. */
    configFile?: string
  }) {
    const { bootstrap, topic, groupId, assignor, instanceId, configFile } = options
    this.child = spawnGuarded(SCRIPT, [
      'org.apache.kafka.tools.VerifiableConsumer',
      ...['--bootstrap-server', bootstrap.join(','), '--topic', topic, '--group-id', groupId],
      ...['--session-timeout', '30000', '--reset-policy', 'earliest'],
      ...['--assignment-strategy', `${ASSIGNORS}.${assignor}`],
      ...(instanceId === undefined ? [] : ['--group-instance-id', instanceId]),
      ...(configFile === undefined ? [] : ['--command-config', configFile]),
    ])
    this.ended = finished(this.child)
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) => {
        if (line.startsWith('{')) this.take(JSON.parse(line) as Told, line)
      })
    }
  }

  private take({ name, count = 0, success, partitions = [] }: Told, line: string): void {
    if (name === 'records_consumed') this.recordCount += count
    else if (name === 'offsets_committed' && success === false) this.failedCommits.push(line)
    else if (name === 'partitions_assigned') {
      this.assignedCount++
      for (const { partition } of partitions) this.assigned.add(partition)
    } else if (name === 'partitions_revoked') {
      this.revokedCount++
      for (const { partition } of partitions) this.assigned.delete(partition)
    }
  }

  /** Leaves the group in order. */
  async finish(): Promise<void> {
    this.child.kill('SIGTERM')
    await this.ended
  }

  /** Ends it wherever it is: the group is not told. */
  async close(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
  }
}
