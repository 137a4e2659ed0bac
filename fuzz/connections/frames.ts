import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { systemClock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { type AnyApi, allApis, apis } from '../../broker/protocol/api-keys.ts'
import { BATCH_HEADER_BYTES, compressionCodec, setCrc } from '../../broker/protocol/batch-header.ts'
import { buildBatch } from '../../broker/protocol/build-batch.ts'
import { joined } from '../../broker/protocol/codec.ts'
import { encodeRequestFrame } from '../../broker/protocol/request-header.ts'
import { arbitraryMessage } from '../../broker/protocol/testing/arbitrary.ts'
import { withPackedRecords } from '../../broker/testing/packed-batch.ts'
import { produceBody } from '../../e2e/lib/api-bodies.ts'
import { batches } from '../decoders/targets/batches.ts'

/** The one topic that strangers know by name, and its id. */
export interface Prey {
  readonly topic: string
  readonly topicId: string
}

const FC_SEEDS = 0x7fff_ffff
const GROUPS = 5
/** Records in a bomb: 7 bytes each, alike, all said to be the first. */
const BOMB_RECORDS = 4_000_000

function pick<T>(random: Random, ...items: readonly T[]): T {
  return items[random.below(items.length)] as T
}

/** Arbitrary values, some of which name what is there, so that handlers have something to do. */
class Plausible {
  private readonly random: Random
  private readonly prey: Prey
  private readonly records: readonly Buffer[]

  constructor(random: Random, prey: Prey) {
    this.random = random
    this.prey = prey
    this.records = batches(random)
  }

  of(value: unknown, name: string): unknown {
    if (value instanceof Uint8Array) {
      return name === 'records' ? pick(this.random, value, ...this.records) : value
    }
    if (Array.isArray(value)) return value.map((each) => this.of(each, name))
    if (typeof value === 'object' && value !== null) {
      const entries = Object.entries(value).map(([key, each]) => [key, this.of(each, key)])
      return Object.fromEntries(entries) as unknown
    }
    if (typeof value === 'string') return this.text(value, name)
    return typeof value === 'number' ? this.number(value, name) : value
  }

  private text(value: string, name: string): string {
    const { random, prey } = this
    if (/id$/i.test(name) && value.length === 22) return pick(random, value, prey.topicId)
    if (/group/i.test(name)) return `group-${random.below(GROUPS)}`
    return pick(random, value, prey.topic, 'consumer', '5', '')
  }

  private number(value: number, name: string): number {
    const { random } = this
    // A thousand topics of a thousand partitions would be a test of something else.
    if (/count|num/i.test(name)) return pick(random, -1, 0, 1, 3)
    if (/ms$|timeout/i.test(name)) return pick(random, -1, 0, 50, 500)
    if (/offset|epoch|partition|index/i.test(name)) return pick(random, value, 0, 1, 2, -1)
    return pick(random, value, 0, 1, 2, 4)
  }
}

/** Makes request frames, sizes included, that a broker can read and mostly has to refuse. */
export function frameMaker(random: Random, prey: Prey): () => Buffer {
  const plausible = new Plausible(random, prey)
  const served: AnyApi[] = allApis.filter(({ key }) => key !== apis.deleteTopics.key)
  return () => {
    const { request } = pick(random, ...served)
    const [first, last] = request.versions
    const version = first + random.below(last - first + 1)
    const options = { numRuns: 1, seed: random.below(FC_SEEDS) }
    const [body] = fc.sample(arbitraryMessage(request, version), options)
    const header = { correlationId: random.below(1_000), clientId: 'stranger' }
    return joined(encodeRequestFrame(request, version, header, plausible.of(body, '') as never))
  }
}

/** Some 4 KiB that unpack to 28 MB, which have to be written anew. */
export function bombFrame({ topic }: Prey): Buffer {
  const record = Buffer.from([12, 0, 0, 0, 0, 1, 0])
  const plain = Buffer.alloc(record.length * BOMB_RECORDS, record)
  const batch = buildBatch([
    { key: Buffer.from('k'), value: null, timestamp: systemClock.wallMs() },
  ])
  const packed = withPackedRecords(batch, compressionCodec.zstd, zstdCompressSync(plain))
  packed.writeInt32BE(BOMB_RECORDS - 1, 23)
  packed.writeInt32BE(BOMB_RECORDS, BATCH_HEADER_BYTES - 4)
  setCrc(packed, 0)
  const header = { correlationId: 1, clientId: 'bomb' }
  const body = produceBody(topic, new Map([[0, packed]]))
  return joined(encodeRequestFrame(apis.produce.request, 12, header, body))
}
