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
import { OPERATIONS_UNKNOWN } from './authorized-operations.ts'

/** v3: KIP-430, authorized operations. v4: KIP-345. v6: KIP-1043, groups that are not there. */
export const describeGroupsRequest = message(
  { name: 'DescribeGroupsRequest', key: 15, versions: [0, 6], flexibleFrom: 5 },
  {
    groups: array(string),
    includeAuthorizedOperations: field(bool, { from: 3 }),
  },
)

export const describeGroupsResponse = message(
  { name: 'DescribeGroupsResponse', key: 15, versions: [0, 6], flexibleFrom: 5 },
  {
    throttleTimeMs: field(int32, { from: 1 }),
    groups: array({
      errorCode: int16,
      errorMessage: field(nullable(string), { from: 6, default: null }),
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array({
        memberId: string,
        groupInstanceId: field(nullable(string), { from: 4, default: null }),
        clientId: string,
        clientHost: string,
        memberMetadata: bytes,
        memberAssignment: bytes,
      }),
      authorizedOperations: field(int32, { from: 3, default: OPERATIONS_UNKNOWN }),
    }),
  },
)

export type DescribeGroupsRequest = Infer<typeof describeGroupsRequest>
export type DescribeGroupsResponse = Input<typeof describeGroupsResponse>
