import { array, field, type Infer, type Input, int16, int32, message, string } from '../schema.ts'

/** v4: KIP-518, states. v5: KIP-848, types. */
export const listGroupsRequest = message(
  { name: 'ListGroupsRequest', key: 16, versions: [0, 5], flexibleFrom: 3 },
  {
    statesFilter: field(array(string), { from: 4 }),
    typesFilter: field(array(string), { from: 5 }),
  },
)

export const listGroupsResponse = message(
  { name: 'ListGroupsResponse', key: 16, versions: [0, 5], flexibleFrom: 3 },
  {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: int16,
    groups: array({
      groupId: string,
      protocolType: string,
      groupState: field(string, { from: 4 }),
      groupType: field(string, { from: 5 }),
    }),
  },
)

export type ListGroupsRequest = Infer<typeof listGroupsRequest>
export type ListGroupsResponse = Input<typeof listGroupsResponse>
