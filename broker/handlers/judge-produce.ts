import type { BatchError } from '../protocol/validate-batch.ts'
import {
  type AcceptedBatch,
  type BatchRules,
  type JudgeOptions,
  judgeRecords,
  type PendingBatch,
  type RefusedProduce,
} from '../protocol/judge-batch.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Broker } from './context.ts'
import { whileUnpacking } from './unpacking.ts'

/** {@link judgeRecords}, a few at a time. A fault of ours refuses the batch, and is logged. */
export async function judgeInTurn(
  { logger }: Broker,
  pending: PendingBatch,
  rules: BatchRules,
  options: JudgeOptions,
): Promise<AcceptedBatch | RefusedProduce | null> {
  try {
    const packed = { codec: pending.info.codec, bytes: pending.bytes.length }
    return await whileUnpacking(packed, () => judgeRecords(pending, rules, options))
  } catch (error) {
    logger.error('a batch could not be unpacked or packed', { error })
    return null
  }
}

export const ERROR_OF_BATCH = {
  'corrupt-message': 'CORRUPT_MESSAGE',
  'invalid-record': 'INVALID_RECORD',
  'invalid-timestamp': 'INVALID_TIMESTAMP',
  'stale-epoch': 'INVALID_PRODUCER_EPOCH',
  'too-large': 'MESSAGE_TOO_LARGE',
  'unsupported-compression': 'UNSUPPORTED_COMPRESSION_TYPE',
} as const satisfies Record<BatchError, ErrorName>
