import { array, field, type Infer, type Input, int16, int32, message, string } from '../schema.ts'

export const deleteGroupsRequest = message(
  { name: 'DeleteGroupsRequest', key: 42, versions: [0, 2], flexibleFrom: 2 },
  { groupsNames: array(string) },
)

export const deleteGroupsResponse = message(
  { name: 'DeleteGroupsResponse', key: 42, versions: [0, 2], flexibleFrom: 2 },
  {
    throttleTimeMs: field(int32, {}),
    results: array({ groupId: string, errorCode: int16 }),
  },
)

export type DeleteGroupsRequest = Infer<typeof deleteGroupsRequest>
export type DeleteGroupsResponse = Input<typeof deleteGroupsResponse>
