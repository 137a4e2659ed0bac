import type { ToolBench } from './tool-run.ts'

const PREFIX = 'org.apache.kafka.tools'

interface Told {
  readonly name: string
  readonly count?: number
  readonly success?: boolean
  readonly offsets?: readonly { readonly partition: number; readonly offset: number }[]
}

function toldIn(words: string): Told[] {
  const lines = words.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line) as Told)
}

/** Writes the numbers from 0 on; every one must be acknowledged. */
export async function verifiablyProduce(
  bench: ToolBench,
  options: { topic: string; count: number; perSecond?: number; configFile?: string },
): Promise<void> {
  const { topic, count, perSecond = -1, configFile } = options
  const words = await bench.run(`${PREFIX}.VerifiableProducer`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', topic, '--acks', '-1'],
    ...['--max-messages', String(count), '--throughput', String(perSecond)],
    ...(configFile === undefined ? [] : ['--command-config', configFile]),
  ])
  const acked = toldIn(words).filter(({ name }) => name === 'producer_send_success').length
  if (acked !== count) throw new Error(`${acked} of ${count} were acknowledged`)
}

/** Reads `count` records, all there are, and ends by itself; its last commits must reach them all. */
export async function verifiablyConsume(
  bench: ToolBench,
  options: { topic: string; count: number },
): Promise<void> {
  const { topic, count } = options
  const words = await bench.run(`${PREFIX}.VerifiableConsumer`, [
    ...['--bootstrap-server', bench.bootstrap, '--topic', topic, '--group-id', topic],
    ...['--max-messages', String(count), '--reset-policy', 'earliest'],
  ])
  let consumed = 0
  const committed = new Map<number, number>()
  for (const { name, count: more = 0, success, offsets = [] } of toldIn(words)) {
    if (name === 'records_consumed') consumed += more
    if (name !== 'offsets_committed') continue
    if (success !== true) throw new Error(`a commit failed: ${words.slice(-300)}`)
    for (const { partition, offset } of offsets) committed.set(partition, offset)
  }
  const reached = [...committed.values()].reduce((sum, offset) => sum + offset, 0)
  if (consumed !== count || reached !== count) {
    throw new Error(`of ${count} records it read ${consumed}, and committed ${reached}`)
  }
}
