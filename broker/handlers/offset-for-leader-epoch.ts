import type { Partition } from '../partition/partition.ts'
import type {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../protocol/messages/offset-for-leader-epoch.ts'
import { answering, type Broker, codeOf } from './context.ts'
import { type Asked, ledPartition, settled } from './leader-check.ts'

type PartitionAnswer = OffsetForLeaderEpochResponse['topics'][number]['partitions'][number]
type AskedEpoch = Asked & { readonly leaderEpoch: number }

/**
 * OffsetForLeaderEpoch: v2-4 (KIP-320). Consumers learn where the log of a leader epoch ends, to
 * find out whether what they have read is still there.
 *
 * Differs from Kafka: nothing that was acknowledged is ever cut off, so the answer never tells a
 * consumer to go back; it is right all the same. The current epoch ends at the high watermark.
 *
 * v3: replica id, not looked at: followers do not exist.
 */
export const handleOffsetForLeaderEpoch = answering(
  async (
    broker: Broker,
    body: OffsetForLeaderEpochRequest,
  ): Promise<OffsetForLeaderEpochResponse> => {
    const topics = body.topics.map(({ topic, partitions }) => {
      return partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }): AskedEpoch => {
        return { topic, index: partition, currentLeaderEpoch, leaderEpoch }
      })
    })
    await settled(broker, topics.flat())
    return {
      topics: body.topics.map(({ topic }, at) => ({
        topic,
        partitions: (topics[at] ?? []).map((asked) => answerFor(broker, asked)),
      })),
    }
  },
)

function answerFor(broker: Broker, asked: AskedEpoch): PartitionAnswer {
  const found = ledPartition(broker, asked)
  if (typeof found === 'string') return { errorCode: codeOf(found), partition: asked.index }
  return { errorCode: 0, partition: asked.index, ...endOfEpoch(found, asked.leaderEpoch) }
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
