import type { ImageState } from '../../metadata/image.ts'
import { addressFor } from '../../metadata/records.ts'
import { errorCode } from '../protocol/error-codes.ts'

/** From this version of Metadata on there is an error of its own for it. */
const FIRST_VERSION_OF_ERROR = 6
const NO_LEADER = -1

/** What a client is told of a partition's leader. */
export interface LeaderAnswer {
  readonly errorCode: number
  readonly leaderId: number
  readonly offlineReplicas: number[]
}

/**
 * How clients of one listener are told of leaders. A node without that listener cannot be reached
 * by them: as in Kafka, the partition then has an error, no leader, and an offline replica.
 */
export class LeaderReach {
  private readonly unreachable = new Set<number>()
  private readonly error: number

  /** `version`: of a Metadata request, or a later one than all of these. */
  constructor(image: ImageState, listener: string, version: number) {
    const hasError = version >= FIRST_VERSION_OF_ERROR
    this.error = hasError ? errorCode.LISTENER_NOT_FOUND : errorCode.LEADER_NOT_AVAILABLE
    for (const { nodeId, address } of image.nodes.values()) {
      if (addressFor(address, listener) === null) this.unreachable.add(nodeId)
    }
  }

  of(nodeId: number): LeaderAnswer {
    if (!this.unreachable.has(nodeId)) {
      return { errorCode: 0, leaderId: nodeId, offlineReplicas: [] }
    }
    return { errorCode: this.error, leaderId: NO_LEADER, offlineReplicas: [nodeId] }
  }
}
