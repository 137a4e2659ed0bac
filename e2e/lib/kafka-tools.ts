import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Acknowledged } from './acknowledged.ts'
import { type Finished, finished, spawnGuarded } from './child.ts'
import { until } from './wait.ts'

const SCRIPT = fileURLToPath(new URL('../../scripts/kafka-tools.sh', import.meta.url))

/** The first run fetches the tools. */
export const FETCH_MS_MAX = 5 * 60_000

/** Brings Kafka's tools here if they are not; for a hook with {@link FETCH_MS_MAX}. */
export async function fetchKafkaTools(): Promise<void> {
  const { code, stderr } = await finished(spawnGuarded(SCRIPT, []))
  if (code !== 0) throw new Error(`Kafka's tools cannot be fetched: ${stderr}`)
}

/**
 * Runs one of Kafka's own tools to its end, by its class's name in org.apache.kafka.tools; the few
 * that are elsewhere begin with `kafka.`.
 */
export async function kafkaTool(name: string, args: readonly string[]): Promise<string> {
  const main = name.startsWith('kafka.') ? name : `org.apache.kafka.tools.${name}`
  const result = await finished(spawnGuarded(SCRIPT, [main, ...args]))
  const { code, stdout, stderr }: Finished = result
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${stdout} ${stderr}`)
  return stdout
}

/** Never gives up, and has five batches per partition on their way. */
const CONFIG = `enable.idempotence=true
acks=all
retries=2147483647
max.in.flight.requests.per.connection=5
delivery.timeout.ms=180000
request.timeout.ms=5000
linger.ms=2
reconnect.backoff.max.ms=500
`

interface Told {
  readonly name: string
  readonly value: string
  readonly partition: number
  readonly offset: number
  readonly message?: string
}

/**
 * Kafka's VerifiableProducer: the Java client's idempotent producer, in one process from beginning
 * to end, which tells of each record what became of it.
 */
export class VerifiableProducer {
  readonly acknowledged = new Acknowledged()
  readonly failures: string[] = []
  private readonly child: ChildProcess
  private readonly ended: Promise<Finished>
  private readonly folder = mkdtempSync(join(tmpdir(), 'streamcluster-producer-'))

  constructor(options: {
    bootstrap: readonly string[]
    topic: string
    recordsPerSecond: number
  }) {
    const config = join(this.folder, 'producer.properties')
    writeFileSync(config, CONFIG)
    this.child = spawnGuarded(SCRIPT, [
      'org.apache.kafka.tools.VerifiableProducer',
      ...['--bootstrap-server', options.bootstrap.join(','), '--topic', options.topic],
      ...['--throughput', String(options.recordsPerSecond), '--command-config', config],
    ])
    this.ended = finished(this.child)
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) => {
        if (line.startsWith('{')) this.take(JSON.parse(line) as Told)
      })
    }
  }

  private take({ name, value, partition, offset, message }: Told): void {
    if (name === 'producer_send_success') this.acknowledged.add(partition, offset, value)
    else if (name === 'producer_send_error') this.failures.push(`${value}: ${message}`)
  }

  /** Resolves once so many records more are acknowledged. */
  async progress(records = 1): Promise<void> {
    const goal = this.acknowledged.count + records
    await until('the producer goes on', () => {
      if (this.child.exitCode !== null) throw new Error('the producer has ended')
      return this.acknowledged.count >= goal
    })
  }

  /** Sends no more; resolves once it has heard of all it sent. */
  async finish(): Promise<void> {
    this.child.kill('SIGTERM')
    await this.ended
    this.removeFolder()
  }

  async close(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended
    this.removeFolder()
  }

  private removeFolder(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
