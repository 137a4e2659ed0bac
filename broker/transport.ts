import type { NodeEntry } from '../metadata/image.ts'
import type { PingFailure } from '../controller/liveness.ts'

/** What nodes ask each other: hints and questions, but for `group`, which may change a group's offsets. */
export type InternalMethod = 'ping' | 'news' | 'handoff' | 'group'

/** Calls between nodes. The simulator has its own; `internal-http.ts` is the real one. */
export interface Transport {
  /**
   * Calls a node. Rejects with {@link CallError}. The callee refuses a call that is meant for
   * another node id, since addresses are used again and node ids are not.
   */
  call(
    target: Pick<NodeEntry, 'nodeId' | 'address'>,
    method: InternalMethod,
    body: Buffer,
    timeoutMs: number,
  ): Promise<Buffer>
}

export class CallError extends Error {
  override name = 'CallError'
  readonly failure: PingFailure

  constructor(failure: PingFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.failure = failure
  }
}
