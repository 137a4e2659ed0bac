import {
  array,
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

/** v3: KIP-345, static members. v5: KIP-559, the protocol that the member believes in. */
export const syncGroupRequest = message(
  { name: 'SyncGroupRequest', key: 14, versions: [0, 5], flexibleFrom: 4 },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: field(nullable(string), { from: 3, default: null }),
    protocolType: field(nullable(string), { from: 5, default: null }),
    protocolName: field(nullable(string), { from: 5, default: null }),
    assignments: array({ memberId: string, assignment: bytes }),
  },
)

export const syncGroupResponse = message(
  { name: 'SyncGroupResponse', key: 14, versions: [0, 5], flexibleFrom: 4 },
  {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: int16,
    protocolType: field(nullable(string), { from: 5, default: null }),
    protocolName: field(nullable(string), { from: 5, default: null }),
    assignment: bytes,
  },
)

export type SyncGroupRequest = Infer<typeof syncGroupRequest>
export type SyncGroupResponse = Input<typeof syncGroupResponse>
