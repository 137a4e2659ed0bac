import {
  bool,
  field,
  type Infer,
  type Input,
  int16,
  int32,
  int64,
  message,
  nullable,
  string,
} from '../schema.ts'

/** v3: KIP-360 epoch bump. v4: PRODUCER_FENCED. v5: KIP-890. v6: KIP-939, unstable, so not advertised. */
export const initProducerIdRequest = message(
  { name: 'InitProducerIdRequest', key: 22, versions: [0, 6], flexibleFrom: 2 },
  {
    transactionalId: nullable(string),
    transactionTimeoutMs: int32,
    producerId: field(int64, { from: 3, default: -1 }),
    producerEpoch: field(int16, { from: 3, default: -1 }),
    enable2Pc: field(bool, { from: 6, default: false }),
    keepPreparedTxn: field(bool, { from: 6, default: false }),
  },
)

export const initProducerIdResponse = message(
  { name: 'InitProducerIdResponse', key: 22, versions: [0, 6], flexibleFrom: 2 },
  {
    throttleTimeMs: field(int32, {}),
    errorCode: int16,
    producerId: field(int64, { default: -1 }),
    producerEpoch: int16,
    ongoingTxnProducerId: field(int64, { from: 6, default: -1 }),
    ongoingTxnProducerEpoch: field(int16, { from: 6, default: -1 }),
  },
)

export type InitProducerIdRequest = Infer<typeof initProducerIdRequest>
export type InitProducerIdResponse = Input<typeof initProducerIdResponse>
