/** A proposal's own refusal: it cannot be made on the image as it is. Thrown by `propose`. */
export class RejectedProposal extends Error {
  override name = 'RejectedProposal'
  /** For the caller's own use, such as a Kafka error code's name. */
  readonly reason: string

  constructor(reason: string, message: string = reason) {
    super(message)
    this.reason = reason
  }
}

/** More records or bytes than one batch may have. Nothing was appended. */
export class ProposalTooLarge extends Error {
  override name = 'ProposalTooLarge'
}

/**
 * The records may or may not be part of the log, now or later: the store did not answer before the
 * log was stopped or refused, or its answer was only understood after the nonces were forgotten.
 */
export class AppendUnknown extends Error {
  override name = 'AppendUnknown'
}

/** The log was stopped before it took the call up. Nothing was appended. */
export class LogStopped extends Error {
  override name = 'LogStopped'

  constructor() {
    super('the metadata log of this process is stopped')
  }
}
