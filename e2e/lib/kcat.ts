import type { ChildProcess } from 'node:child_process'
import type { ReadRecord } from './acknowledged.ts'
import { type Finished, finished, spawnGuarded } from './child.ts'

/** Runs kcat, with `input` as its standard input, to its end. */
export function kcat(args: readonly string[], input: string | Buffer = ''): Promise<Finished> {
  const child = spawnGuarded('kcat', args)
  child.stdin?.end(input)
  return finished(child)
}

/** Everything in a topic, read by librdkafka, which checks every batch's CRC. No value has tabs. */
export async function readTopic(
  bootstrap: readonly string[],
  topic: string,
): Promise<ReadRecord[]> {
  const { code, stdout, stderr } = await kcat([
    // Without -E it ends as soon as it finds no broker for a moment.
    ...['-C', '-E', '-q', '-e', '-b', bootstrap.join(','), '-t', topic, '-o', 'beginning'],
    ...['-X', 'check.crcs=true', '-X', 'auto.offset.reset=error', '-f', '%p\t%o\t%s\n'],
  ])
  if (code !== 0) throw new Error(`kcat ended with ${code}: ${stderr}`)
  const lines = stdout === '' ? [] : stdout.trimEnd().split('\n')
  return lines.map((line) => {
    const [partition = '', offset = '', value = ''] = line.split('\t')
    return { partition: Number(partition), offset: Number(offset), value }
  })
}

const LINES_EVERY_MS = 20
const LINES_AT_ONCE = 20

/**
 * librdkafka's idempotent producer, in one process from beginning to end, writing numbered lines.
 * It tells nobody what was acknowledged, but ends well only when everything was.
 */
export class KcatLoad {
  sent = 0
  private readonly child: ChildProcess
  private readonly ended: Promise<Finished>
  private readonly timer: NodeJS.Timeout
  private readonly name: string

  constructor(options: { name: string; bootstrap: readonly string[]; topic: string }) {
    this.name = options.name
    this.child = spawnGuarded('kcat', [
      ...['-P', '-E', '-b', options.bootstrap.join(','), '-t', options.topic],
      ...['-X', 'enable.idempotence=true', '-X', 'message.timeout.ms=120000'],
      ...['-X', 'reconnect.backoff.max.ms=500', '-X', 'linger.ms=5'],
    ])
    this.ended = finished(this.child)
    this.timer = setInterval(() => this.write(), LINES_EVERY_MS)
  }

  private write(): void {
    let lines = ''
    for (let i = 0; i < LINES_AT_ONCE; i++) lines += `${this.name}-${this.sent++}\n`
    this.child.stdin?.write(lines)
  }

  /** Sends no more; resolves with how it ended, once everything is delivered or it has given up. */
  finish(): Promise<Finished> {
    clearInterval(this.timer)
    this.child.stdin?.end()
    return this.ended
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    this.child.kill('SIGKILL')
    await this.ended
  }

  /** What is wrong with `records` once it has ended well: each line must be there exactly once. */
  faultsOf(records: readonly ReadRecord[]): string[] {
    const counts = new Map<string, number>()
    for (const { value } of records) counts.set(value, (counts.get(value) ?? 0) + 1)
    const faults: string[] = []
    for (let index = 0; index < this.sent; index++) {
      const value = `${this.name}-${index}`
      if (counts.get(value) !== 1) faults.push(`${value} is there ${counts.get(value) ?? 0} times`)
    }
    if (counts.size !== this.sent) faults.push(`${counts.size} values, ${this.sent} were sent`)
    return faults.slice(0, 10)
  }
}
