import {
  array,
  bool,
  bytes,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/**
 * v1: rebalance time-out. v4: KIP-394, joining takes a second request with the id that was given.
 * v5: KIP-345, static members. v8: KIP-800, the reason.
 */
export const joinGroupRequest = message(
  { name: 'JoinGroupRequest', key: 11, versions: [0, 9], flexibleFrom: 6 },
  {
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: field(int32, { from: 1, default: -1 }),
    memberId: string,
    groupInstanceId: field(nullable(string), { from: 5, default: null }),
    protocolType: string,
    protocols: array({ name: string, metadata: bytes }),
    reason: field(nullable(string), { from: 8, default: null }),
  },
)

/** v7: KIP-559, the protocol's type. v9: KIP-814, a leader that must not assign. */
export const joinGroupResponse = message(
  { name: 'JoinGroupResponse', key: 11, versions: [0, 9], flexibleFrom: 6 },
  {
    throttleTimeMs: field(int32, { from: 2 }),
    errorCode: int16,
    generationId: field(int32, { default: -1 }),
    protocolType: field(nullable(string), { from: 7, default: null }),
    protocolName: nullable(string, { from: 7 }),
    leader: string,
    skipAssignment: field(bool, { from: 9 }),
    memberId: string,
    members: array({
      memberId: string,
      groupInstanceId: field(nullable(string), { from: 5, default: null }),
      metadata: bytes,
    }),
  },
)

export type JoinGroupRequest = Infer<typeof joinGroupRequest>
export type JoinGroupResponse = Input<typeof joinGroupResponse>
