import { apis } from '../../broker/protocol/api-keys.ts'
import { errorCode } from '../../broker/protocol/error-codes.ts'
import { buildBatch } from '../../broker/protocol/record-batch.ts'
import { Acknowledged } from './acknowledged.ts'
import { produceBody } from './api-bodies.ts'
import type { Cluster } from './cluster.ts'
import { pause, WAIT_MS_MAX } from './wait.ts'
import { leadersOf, WireClient } from './wire-client.ts'

/** A batch of one record, uncompressed, of no idempotent producer. */
export function batchOf(value: string, timestamp = Date.now()): Buffer {
  return buildBatch([{ key: null, value: Buffer.from(value), timestamp }])
}

const LOOK_MS = 20

/**
 * Writes one record to every partition of a topic, asking for leaders again until the last one has
 * taken it: how long that takes is how long the topic was not wholly writable. A record that was
 * sent and not answered is given up for another one: it may be there as well.
 */
export async function writeEverywhere(
  cluster: Cluster,
  topic: string,
  options: { partitions: number; name: string },
): Promise<Acknowledged> {
  const acknowledged = new Acknowledged()
  const left = new Set(Array.from({ length: options.partitions }, (_, index) => index))
  const endMs = Date.now() + WAIT_MS_MAX
  for (let round = 0; left.size > 0; round++) {
    const port = cluster.running[round % cluster.running.length]?.ports.kafka ?? 0
    const leaders = await leadersOf(port, topic)
    if (Date.now() > endMs) {
      const nodeIds = [...leaders].map(([nodeId, owned]) => `${owned.length} of ${nodeId}`)
      const first = [...left].slice(0, 5)
      throw new Error(`${left.size} partitions take nothing, ${first} first; led: ${nodeIds}`)
    }
    const writes = [...leaders].map(async ([nodeId, partitions]) => {
      const broker = cluster.running.find((each) => each.nodeId === nodeId)
      const wanted = partitions.filter((each) => left.has(each))
      if (broker === undefined || wanted.length === 0) return
      const name = `${options.name}-${round}`
      for (const { index, offset, value } of await writeOnce(
        broker.ports.kafka,
        topic,
        wanted,
        name,
      )) {
        acknowledged.add(index, offset, value)
        left.delete(index)
      }
    })
    await Promise.all(writes)
    if (left.size > 0) await pause(LOOK_MS)
  }
  return acknowledged
}

async function writeOnce(
  port: number,
  topic: string,
  partitions: readonly number[],
  name: string,
): Promise<{ index: number; offset: number; value: string }[]> {
  const recordValue = (index: number): string => `${name}-${index}`
  const batches = new Map(partitions.map((index) => [index, batchOf(recordValue(index))]))
  let client: WireClient | null = null
  try {
    client = await WireClient.connect(port)
    const { responses } = await client.request(apis.produce, 12, produceBody(topic, batches))
    return (responses[0]?.partitionResponses ?? [])
      .filter((answer) => answer.errorCode === errorCode.NONE)
      .map(({ index, baseOffset }) => ({ index, offset: baseOffset, value: recordValue(index) }))
  } catch {
    return []
  } finally {
    client?.close()
  }
}
