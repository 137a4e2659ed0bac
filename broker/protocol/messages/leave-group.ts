import {
  array,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** v3: KIP-345, several members at once. v5: KIP-800, the reason. */
export const leaveGroupRequest = message(
  { name: 'LeaveGroupRequest', key: 13, versions: [0, 5], flexibleFrom: 4 },
  {
    groupId: string,
    memberId: field(string, { to: 2 }),
    members: field(
      array({
        memberId: string,
        groupInstanceId: field(nullable(string), { default: null }),
        reason: field(nullable(string), { from: 5, default: null }),
      }),
      { from: 3 },
    ),
  },
)

export const leaveGroupResponse = message(
  { name: 'LeaveGroupResponse', key: 13, versions: [0, 5], flexibleFrom: 4 },
  {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: int16,
    members: field(
      array({ memberId: string, groupInstanceId: nullable(string), errorCode: int16 }),
      { from: 3 },
    ),
  },
)

export type LeaveGroupRequest = Infer<typeof leaveGroupRequest>
export type LeaveGroupResponse = Input<typeof leaveGroupResponse>
