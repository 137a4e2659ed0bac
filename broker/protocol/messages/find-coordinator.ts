import {
  array,
  field,
  type Infer,
  type Input,
  int8,
  int16,
  int32,
  message,
  nullable,
  string,
} from '../schema.ts'

/** v1: key type. v4: KIP-699, several keys. v5: KIP-890. v6: KIP-932, share groups. */
export const findCoordinatorRequest = message(
  { name: 'FindCoordinatorRequest', key: 10, versions: [0, 6], flexibleFrom: 3 },
  {
    key: field(string, { to: 3 }),
    keyType: field(int8, { from: 1 }),
    coordinatorKeys: field(array(string), { from: 4 }),
  },
)

export const findCoordinatorResponse = message(
  { name: 'FindCoordinatorResponse', key: 10, versions: [0, 6], flexibleFrom: 3 },
  {
    throttleTimeMs: field(int32, { from: 1 }),
    errorCode: field(int16, { to: 3 }),
    errorMessage: field(nullable(string), { from: 1, to: 3 }),
    nodeId: field(int32, { to: 3 }),
    host: field(string, { to: 3 }),
    port: field(int32, { to: 3 }),
    coordinators: field(
      array({
        key: string,
        nodeId: int32,
        host: string,
        port: int32,
        errorCode: int16,
        errorMessage: nullable(string),
      }),
      { from: 4 },
    ),
  },
)

export type FindCoordinatorRequest = Infer<typeof findCoordinatorRequest>
export type FindCoordinatorResponse = Input<typeof findCoordinatorResponse>
