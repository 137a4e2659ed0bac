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
  uuid,
} from '../schema.ts'

/** v6: by name or by topic id (KIP-516), in `topics`; before it by name, in `topicNames`. */
export const deleteTopicsRequest = message(
  { name: 'DeleteTopicsRequest', key: 20, versions: [1, 6], flexibleFrom: 4 },
  {
    topics: field(
      array({
        name: field(nullable(string), { default: null }),
        topicId: uuid,
      }),
      { from: 6 },
    ),
    topicNames: field(array(string), { to: 5 }),
    timeoutMs: int32,
  },
)

export const deleteTopicsResponse = message(
  { name: 'DeleteTopicsResponse', key: 20, versions: [1, 6], flexibleFrom: 4 },
  {
    throttleTimeMs: field(int32, {}),
    responses: array({
      name: nullable(string, { from: 6 }),
      topicId: field(uuid, { from: 6 }),
      errorCode: int16,
      errorMessage: field(nullable(string), { from: 5, default: null }),
    }),
  },
)

export type DeleteTopicsRequest = Infer<typeof deleteTopicsRequest>
export type DeleteTopicsResponse = Input<typeof deleteTopicsResponse>
