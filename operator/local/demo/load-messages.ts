import type { SequenceFindings } from './sequence-check.ts'

/** From the demo to its load process. */
export type LoadCommand =
  | { readonly kind: 'rate'; readonly bytesPerSecond: number }
  /** Write nothing more, read what was written, say what was found, and end. */
  | { readonly kind: 'finish' }

/** From the load process to the demo. */
export type LoadReport =
  | { readonly kind: 'started' }
  | {
      readonly kind: 'progress'
      readonly acknowledged: number
      /** The longest wait for an acknowledgement since the last report. */
      readonly ackMsMax: number
      readonly findings: SequenceFindings
    }
  | {
      readonly kind: 'finished'
      readonly acknowledged: number
      readonly findings: SequenceFindings
      /** Whether all that was acknowledged was read again, in time. */
      readonly complete: boolean
    }
  | { readonly kind: 'fault'; readonly message: string }
