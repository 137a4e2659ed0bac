import type { Partition } from '../partition/partition.ts'
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../protocol/messages/offset-for-leader-epoch.ts'
import { type Broker, codeOf, type Handler } from './context.ts'
import { addressesOf, type Asked, ledPartition } from './leader-check.ts'
import { whenSettled } from './leadership.ts'

type PartitionAnswer = OffsetForLeaderEpochResponse['topics'][number]['partitions'][number]

/**
 * OffsetForLeaderEpoch: v2-4 (KIP-320). Consumers learn where the log of a leader epoch ends, to
 * find out whether what they have read is still there.
 *
 * Differs from Kafka: nothing that was acknowledged is ever cut off, so the answer never tells a
 * consumer to go back; it is right all the same. The current epoch ends at the high watermark.
 *
 * v3: replica id, not looked at: followers do not exist.
 */
export const handleOffsetForLeaderEpoch: Handler = (broker, request) => {
  const body = request.body as OffsetForLeaderEpochRequest
  const asked = body.topics.flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, currentLeaderEpoch }): Asked => {
      return { topic, index: partition, currentLeaderEpoch }
    }),
  )
  whenSettled(broker, addressesOf(broker, asked), () => {
    const response: OffsetForLeaderEpochResponse = {
      topics: body.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) =>
          answerFor(broker, { topic, index: partition, currentLeaderEpoch }, leaderEpoch),
        ),
      })),
    }
    request.respond(response)
  })
}

function answerFor(broker: Broker, asked: Asked, leaderEpoch: number): PartitionAnswer {
  const found = ledPartition(broker, asked)
  if (typeof found === 'string') return { errorCode: codeOf(found), partition: asked.index }
  return { errorCode: 0, partition: asked.index, ...endOfEpoch(found, leaderEpoch) }
}

/**
 * The newest epoch up to `requested` that wrote something, and the offset after its last record;
 * -1 and -1 for an epoch that is not known yet. An epoch older than all that is left ends where the
 * oldest one left begins.
 */
export function endOfEpoch(
  partition: Pick<Partition, 'leaderEpoch' | 'highWatermark' | 'state'>,
  requested: number,
): { leaderEpoch: number; endOffset: number } {
  const current = partition.leaderEpoch
  const { highWatermark } = partition
  if (requested < 0 || requested > current) return { leaderEpoch: -1, endOffset: -1 }
  if (requested === current) return { leaderEpoch: requested, endOffset: highWatermark }
  const epochs = partition.state?.epochs ?? []
  const higher = epochs.findIndex(({ leaderEpoch }) => leaderEpoch > requested)
  const floor = higher < 0 ? epochs[epochs.length - 1] : epochs[higher - 1]
  // Where no later epoch wrote anything, the current one would begin at the end.
  const endOffset = epochs[higher]?.startOffset ?? highWatermark
  return { leaderEpoch: floor?.leaderEpoch ?? requested, endOffset }
}
