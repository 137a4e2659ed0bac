import {
  field,
  type Infer,
  type Input,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** v3: KIP-345, static members. */
export const heartbeatRequest = message(
  { name: 'HeartbeatRequest', key: 12, versions: [0, 4], flexibleFrom: 4 },
  {
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: field(nullable(string), { from: 3, default: null }),
  },
)

export const heartbeatResponse = message(
  { name: 'HeartbeatResponse', key: 12, versions: [0, 4], flexibleFrom: 4 },
  { throttleTimeMs: field(int32, { from: 1 }), errorCode: int16 },
)

export type HeartbeatRequest = Infer<typeof heartbeatRequest>
export type HeartbeatResponse = Input<typeof heartbeatResponse>
