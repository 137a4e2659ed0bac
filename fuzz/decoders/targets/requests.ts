import fc from 'fast-check'
import type { Random } from '../../../base/random.ts'
import { topicsOf } from '../../../broker/coordinator/subscription.ts'
import { decodeGroupRecord, encodeGroupRecord } from '../../../broker/coordinator/group-records.ts'
import { allApis, apiOf } from '../../../broker/protocol/api-keys.ts'
import {
  codecOf,
  type DecodeError,
  isValidVersion,
  joined,
} from '../../../broker/protocol/codec.ts'
import {
  decodeRequestHeader,
  decodeRequestId,
  encodeRequestFrame,
  requestHeaderVersion,
} from '../../../broker/protocol/request-header.ts'
import { arbitraryMessage } from '../../../broker/protocol/testing/arbitrary.ts'
import type { Target } from '../target.ts'

const SEEDS_PER_VERSION = 2
const SIZE_BYTES = 4
const FC_SEEDS = 0x7fff_ffff

export function isDecodeError(error: Error): boolean {
  return error.name === 'DecodeError'
}

/** Request frames of every API in every version, without their sizes. */
function requestFrames(random: Random): Buffer[] {
  const frames: Buffer[] = []
  for (const { request } of allApis) {
    const [first, last] = request.versions
    for (let version = first; version <= last; version++) {
      const options = { numRuns: SEEDS_PER_VERSION, seed: random.below(FC_SEEDS) }
      for (const body of fc.sample(arbitraryMessage(request, version), options)) {
        const header = { correlationId: frames.length, clientId: 'fuzz' }
        const frame = encodeRequestFrame(request, version, header, body as never)
        frames.push(joined(frame).subarray(SIZE_BYTES))
      }
    }
  }
  return frames
}

/** What a connection does with a frame before any handler sees it. */
export const requests: Target = {
  name: 'request',
  weight: 6,
  seeds: requestFrames,
  run(input) {
    const { apiKey, apiVersion } = decodeRequestId(input)
    const api = apiOf(apiKey)
    if (api === undefined || !isValidVersion(api.request, apiVersion)) return 'not served'
    const header = decodeRequestHeader(input, requestHeaderVersion(api.request, apiVersion))
    try {
      codecOf(api.request, apiVersion).decode(input, header.bodyPosition)
    } catch (error) {
      if (!isDecodeError(error as Error)) throw error
      const { reason, path } = error as DecodeError
      return `${api.name}: ${reason} | v${apiVersion} ${path}`.replace(/\d+/g, '#')
    }
    return `${api.name} is read | v${apiVersion}`
  },
  isDeclared: isDecodeError,
}

/** The subscription in a JoinGroup request: whatever it is, there is an answer. */
export const subscriptions: Target = {
  name: 'subscription',
  seeds: () => {
    const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex')
    return [bytes('000000000001000174ffffffff'), bytes('0003000000020001740001750000000000')]
  },
  run: (input) => `topics: ${topicsOf(input)?.length ?? 'none'}`.replace(/\d{2,}/, 'many'),
  isDeclared: () => false,
}

const KEY_LENGTH_BYTES = 1

/** A record of `__consumer_offsets`: a byte of the key's length, key, value. */
export const groupRecords: Target = {
  name: 'group-record',
  seeds: () => {
    const offset = { offset: 5, leaderEpoch: 1, metadata: 'm', commitTimestamp: 1, topicId: '' }
    const member = { memberId: 'm', groupInstanceId: null, clientId: 'c', clientHost: 'h' }
    const bytes = Buffer.from('bytes')
    const times = { rebalanceTimeout: 1, sessionTimeout: 1 }
    const members = [{ ...member, ...times, subscription: bytes, assignment: bytes }]
    const value = { protocolType: 'consumer', generation: 1, protocol: 'range', leader: 'm' }
    const group = { ...value, currentStateTimestamp: 1, members }
    const place = { groupId: 'g', topic: 't', partition: 0 }
    const topicId = 'AAAAAAAAAAAAAAAAAAAAAA'
    return [-1, 7]
      .map((expireTimestamp) =>
        encoded({ type: 'offset', ...place, value: { ...offset, topicId, expireTimestamp } }),
      )
      .concat(
        encoded({ type: 'offset', ...place, value: null }),
        encoded({ type: 'group', groupId: 'g', value: group }),
      )
  },
  run(input) {
    const keyEnd = KEY_LENGTH_BYTES + Math.min(input[0] ?? 0, Math.max(0, input.length - 1))
    const key = input.subarray(KEY_LENGTH_BYTES, keyEnd)
    const value = keyEnd >= input.length ? null : input.subarray(keyEnd)
    const record = decodeGroupRecord({ key, value, offset: 0, timestamp: 0, headers: [] })
    return record === null ? 'not known' : `${record.type} ${record.value === null}`
  },
  isDeclared: isDecodeError,
}

function encoded(record: Parameters<typeof encodeGroupRecord>[0]): Buffer {
  const { key, value } = encodeGroupRecord(record)
  return Buffer.concat([Buffer.from([key.length]), key, value ?? Buffer.alloc(0)])
}
