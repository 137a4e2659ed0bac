import { apis } from '../../broker/protocol/api-keys.ts'
import { baseOffset, batchBytes } from '../../broker/protocol/record-batch.ts'
import { fetchBody } from './api-bodies.ts'
import { metadataOf, WireClient } from './wire-client.ts'

/** The id of a topic, by the word of the broker on `port`. */
export async function topicIdOf(port: number, topic: string): Promise<string> {
  const { topics } = await metadataOf(port, topic)
  return topics[0]?.topicId ?? ''
}

/** The record batches in `bytes`, which holds whole ones only. */
export function batchesIn(bytes: Buffer): Buffer[] {
  const batches: Buffer[] = []
  for (let position = 0; position < bytes.length; ) {
    const end = position + batchBytes(bytes, position)
    batches.push(bytes.subarray(position, end))
    position = end
  }
  return batches
}

/** Every batch of a partition, byte for byte as a consumer gets it. */
export async function fetchBatches(
  port: number,
  topic: string,
  partition: number,
): Promise<Buffer[]> {
  const topicId = await topicIdOf(port, topic)
  const client = await WireClient.connect(port)
  const batches: Buffer[] = []
  try {
    for (let fetchOffset = 0; ; ) {
      const body = fetchBody(topicId, [{ partition, fetchOffset }])
      const { responses } = await client.request(apis.fetch, 16, body)
      const [answer] = responses[0]?.partitions ?? []
      if (answer?.errorCode !== 0) throw new Error(`fetch: error ${answer?.errorCode}`)
      for (const batch of batchesIn(answer.records ?? Buffer.alloc(0))) batches.push(batch)
      const last = batches.at(-1)
      if (last === undefined || answer.highWatermark <= fetchOffset) return batches
      fetchOffset = baseOffset(last, 0) + last.readInt32BE(23) + 1
      if (fetchOffset >= answer.highWatermark) return batches
    }
  } finally {
    client.close()
  }
}
