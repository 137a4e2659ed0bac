import type { ImageState } from '../../metadata/image.ts'
import { addressFor } from '../../metadata/records.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { replacedNodes } from './replaced-nodes.ts'

/** From this version of Metadata on there is an error of its own for it. */
const FIRST_VERSION_OF_ERROR = 6
const NO_LEADER = -1

/** What a client is told of a partition's leader. */
export interface LeaderAnswer {
  readonly errorCode: number
  readonly leaderId: number
  readonly offlineReplicas: readonly number[]
  readonly replicaNodes: readonly number[]
}

const NOBODY: readonly number[] = []

/**
 * How clients of one listener are told of leaders. A node without that listener cannot be reached
 * by them: as in Kafka, the partition then has an error, no leader, and an offline replica. So it
 * is with a node that is dead for certain, as a newer one has its address.
 */
export class LeaderReach {
  /** Nodes whose address a newer one has. */
  readonly replaced: ReadonlySet<number>
  private readonly errors = new Map<number, number>()
  /** Partitions of one leader share what is said of it: a client may ask for a million. */
  private readonly answers = new Map<number, LeaderAnswer>()

  /** `version`: of a Metadata request, or a later one than all of these. */
  constructor(image: ImageState, listener: string, version: number) {
    const hasError = version >= FIRST_VERSION_OF_ERROR
    const error = hasError ? errorCode.LISTENER_NOT_FOUND : errorCode.LEADER_NOT_AVAILABLE
    for (const { nodeId, address } of image.nodes.values()) {
      if (addressFor(address, listener) === null) this.errors.set(nodeId, error)
    }
    this.replaced = replacedNodes(image, listener)
    for (const nodeId of this.replaced) {
      this.errors.set(nodeId, errorCode.LEADER_NOT_AVAILABLE)
    }
  }

  of(nodeId: number): LeaderAnswer {
    let answer = this.answers.get(nodeId)
    if (answer === undefined) {
      answer = this.answerFor(nodeId)
      this.answers.set(nodeId, answer)
    }
    return answer
  }

  private answerFor(nodeId: number): LeaderAnswer {
    const error = this.errors.get(nodeId)
    const replicaNodes = [nodeId]
    if (error === undefined) {
      return { errorCode: 0, leaderId: nodeId, offlineReplicas: NOBODY, replicaNodes }
    }
    return { errorCode: error, leaderId: NO_LEADER, offlineReplicas: replicaNodes, replicaNodes }
  }
}
