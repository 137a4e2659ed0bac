import type { AppendResult } from '../../metadata/appender.ts'
import type { RejectedProposal } from '../../metadata/errors.ts'
import type { Propose } from '../../metadata/evaluate.ts'
import type { ErrorName } from '../protocol/error-codes.ts'
import type { Broker } from './context.ts'

/** What a change of the metadata came to. A refusal is what its proposal threw. */
export type MetadataChange =
  | { readonly error: null; readonly message: null; readonly records: AppendResult['records'] }
  | { readonly error: ErrorName; readonly message: string }

/**
 * Appends to the metadata log for a client. `propose` refuses with a RejectedProposal whose reason
 * is the name of an error. Never rejects: what cannot be appended gets an error that tells the
 * client whether to try again.
 */
export async function changeMetadata(broker: Broker, propose: Propose): Promise<MetadataChange> {
  try {
    const { records } = await broker.node.append(propose)
    return { error: null, message: null, records }
  } catch (error) {
    return refusalOf(broker, error as Error)
  }
}

// By name: two copies of the module may be loaded in a test run.
function refusalOf(broker: Broker, error: Error): MetadataChange {
  switch (error.name) {
    case 'RejectedProposal':
      return { error: (error as RejectedProposal).reason as ErrorName, message: error.message }
    case 'ProposalTooLarge':
      return { error: 'POLICY_VIOLATION', message: error.message }
    case 'LogStopped':
      // This broker ends. Admin clients look for another one to ask when told this.
      return { error: 'NOT_CONTROLLER', message: 'this broker is shutting down' }
    case 'AppendUnknown':
      return { error: 'REQUEST_TIMED_OUT', message: 'whether this was done is unknown' }
    default:
      broker.logger.error('the metadata was not changed', { error })
      return { error: 'UNKNOWN_SERVER_ERROR', message: 'the metadata log could not be written' }
  }
}
