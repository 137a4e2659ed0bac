import type { EncodedRecords } from './batch.ts'
import { BATCH_BYTES_MAX, encodeRecords } from './batch.ts'
import { Draft } from './draft.ts'
import { ProposalTooLarge } from './errors.ts'
import type { Image, ImageState } from './image.ts'
import { applyChecked } from './invariants.ts'
import type { MetadataRecord } from './records.ts'

/**
 * Says what to append, given the image at the head of the log; null or nothing when there is
 * nothing to do. It is called again whenever another writer was faster, so it decides from `image`
 * alone and has no effects. It may throw, which rejects this proposal and no other.
 */
export type Propose = (image: ImageState) => readonly MetadataRecord[] | null

export interface BatchLimits {
  readonly recordsMax: number
  readonly bytesMax: number
}

/** What further proposals may fill a batch to. A single one may be as large as readers take. */
export const GROUP_LIMITS: BatchLimits = { recordsMax: 10_000, bytesMax: 1024 * 1024 }
const PROPOSAL_BYTES_MAX = BATCH_BYTES_MAX - 1024

/** What became of one proposal, if the image it was evaluated on is that of the head. */
export type Evaluated =
  | { readonly kind: 'records'; readonly encoded: EncodedRecords }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'rejected'; readonly error: unknown }

/**
 * Evaluates proposals in order, each on the image with the records of those before it. Stops before
 * the first one for which the batch has no room: the result is as long as the proposals evaluated,
 * at least 1. A rejected proposal leaves no trace.
 */
export function evaluate(
  image: Image,
  proposals: readonly Propose[],
  limits: BatchLimits,
): Evaluated[] {
  const draft = new Draft(image)
  const outcomes: Evaluated[] = []
  let recordCount = 0
  let bytes = 0
  for (const propose of proposals) {
    const outcome = evaluateOne(draft, propose, (encoded) => {
      if (recordCount === 0) return true
      const isSmall = recordCount + encoded.records.length <= limits.recordsMax
      return isSmall && bytes + encoded.bytes <= limits.bytesMax
    })
    if (outcome === 'no room') break
    outcomes.push(outcome)
    if (outcome.kind !== 'records') continue
    recordCount += outcome.encoded.records.length
    bytes += outcome.encoded.bytes
  }
  return outcomes
}

function evaluateOne(
  draft: Draft,
  propose: Propose,
  hasRoom: (encoded: EncodedRecords) => boolean,
): Evaluated | 'no room' {
  const mark = draft.mark()
  try {
    const proposed = propose(draft)
    if (!proposed || proposed.length === 0) return { kind: 'nothing' }
    const encoded = encodeRecords(proposed)
    if (encoded.bytes > PROPOSAL_BYTES_MAX) {
      throw new ProposalTooLarge(
        `${encoded.bytes} bytes of records cannot be appended at once, ${PROPOSAL_BYTES_MAX} can`,
      )
    }
    if (!hasRoom(encoded)) return 'no room'
    for (const record of encoded.records) applyChecked(draft, record)
    return { kind: 'records', encoded }
  } catch (error) {
    draft.rollback(mark)
    return { kind: 'rejected', error }
  }
}
