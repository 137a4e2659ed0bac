/** Fills in what nearly every Fetch request (v16, by topic id) has alike. */
export function fetchBody(
  topicId: string,
  partitions: readonly { readonly partition: number; readonly fetchOffset: number }[],
  limits: { readonly maxWaitMs?: number; readonly maxBytes?: number } = {},
) {
  const maxBytes = limits.maxBytes ?? 0x7fff_ffff
  return {
    maxWaitMs: limits.maxWaitMs ?? 0,
    minBytes: 1,
    maxBytes,
    topics: [
      {
        topicId,
        partitions: partitions.map(({ partition, fetchOffset }) => ({
          partition,
          fetchOffset,
          partitionMaxBytes: maxBytes,
        })),
      },
    ],
    forgottenTopicsData: [],
  }
}

/** A Produce request (v12) that writes one batch to each of some partitions. */
export function produceBody(topic: string, batches: ReadonlyMap<number, Buffer>, acks = -1) {
  return {
    transactionalId: null,
    acks,
    timeoutMs: 10_000,
    topicData: [
      {
        name: topic,
        partitionData: [...batches].map(([index, records]) => ({ index, records: [records] })),
      },
    ],
  }
}
