import { batchesOf, type ColdReader } from '../partition/cold-reader.ts'
import type { Partition } from '../partition/partition.ts'
import * as batch from '../protocol/batch-header.ts'
import { type DecodedRecord, decodeRecords } from '../protocol/build-batch.ts'

/** Runs of one log that are read at the same time: loading is bound by the store's latency. */
const RUNS_IN_FLIGHT = 16

/**
 * Reads a partition from its log start to the end that it was opened with, oldest records first.
 * Control batches are left out. Rejects with StoreError, and with DecodeError for what is no batch
 * of ours. Ends early once `isWanted` says no.
 */
export async function readLog(
  { partition, coldReader }: { partition: Partition; coldReader: ColdReader },
  isWanted: () => boolean,
  take: (record: DecodedRecord) => void,
): Promise<void> {
  const { state, logStartOffset } = partition
  if (state === null || state.runs.length === 0) return
  const { runs } = state
  const end = runs.length
  let next = Math.max(0, runs.indexOf(logStartOffset))
  const reads: Promise<Buffer>[] = []
  const readOne = (): void => {
    const reading = coldReader.readRun(runs.at(next++))
    // Whoever waits for it hears of a fault; nobody may have come to wait yet.
    reading.catch(() => undefined)
    reads.push(reading)
  }
  for (let index = next; index < end && isWanted(); index++) {
    while (next < end && reads.length < RUNS_IN_FLIGHT) readOne()
    const bytes = await (reads.shift() as Promise<Buffer>)
    for (const { position } of batchesOf(runs.at(index), bytes)) {
      if ((batch.attributes(bytes, position) & batch.CONTROL_BIT) !== 0) continue
      for (const record of decodeRecords(bytes, position)) {
        if (record.offset >= logStartOffset) take(record)
      }
    }
  }
}
