import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { sleep } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { backoffMs } from './backoff.ts'
import { mayRetry } from './create.ts'
import type { ObjectIdentity } from './header.ts'
import { decodeHeader, encodeHeader, HEADER_BYTES, objectKind, sameIdentity } from './header.ts'
import { retrying } from './retrying.ts'
import type { ObjectStore } from './store.ts'

const PROBE_PREFIX = 'probe/'
const TIME_LIMIT_MS = 20_000
const BACKOFF = { firstMs: 10, lastMs: 500 }
/** Behind the header; enough that a cut-off or torn object would show. */
const CONTENT_BYTES = 1_000

const WHAT_WORKS =
  'Use a store that does: AWS S3, MinIO, versitygw, Ceph RGW, or a folder on a local or mounted ' +
  'file system (file:///path)'

export interface ProbeOptions {
  readonly clock: Clock
  readonly random: Random
}

export type ProbeResult =
  | { readonly ok: true; readonly rounds: number; readonly racers: number }
  | { readonly ok: false; readonly reason: string }

interface Sample {
  readonly identity: ObjectIdentity
  readonly bytes: Buffer
}

/** What one racer knows: `unsure` if a try failed in a way that may have created the object. */
interface Attempt {
  readonly sample: Sample
  readonly answer: 'created' | 'exists'
  readonly unsure: boolean
}

/** The store does not do what it must; the words continue "this store ...". */
class Unfit extends Error {
  override name = 'Unfit'
}

class Probe {
  readonly #store: ObjectStore
  readonly #options: ProbeOptions
  readonly #folder: string
  readonly #keys: string[] = []

  constructor(store: ObjectStore, options: ProbeOptions) {
    this.#store = retrying(store, { ...options, timeLimitMs: TIME_LIMIT_MS })
    this.#options = options
    this.#folder = `${PROBE_PREFIX}${options.random.bytes(12).toString('hex')}`
  }

  /** Runs `checks`, and cleans up. Throws what the store throws while it is in trouble. */
  async run(checks: () => Promise<void>): Promise<string | null> {
    const { description } = this.#store
    try {
      await checks()
      return null
    } catch (thrown) {
      const error = thrown as Error
      if (error.name === 'Unfit') {
        return `${description} cannot hold a cluster: this store ${error.message}. ${WHAT_WORKS}.`
      }
      if (error.name !== 'StoreError' || mayRetry(error)) throw error
      return `${description} cannot hold a cluster: ${error.message}`
    } finally {
      // What stays is garbage and hurts nobody; the checks' own result counts.
      await this.#store.delete(this.#keys).catch(() => {})
    }
  }

  /** Fresh, as every check needs a key that nobody used before. */
  key(name: string): string {
    const key = `${this.#folder}/${name}`
    this.#keys.push(key)
    return key
  }

  sample(seq: number): Sample {
    const { random } = this.#options
    const identity = { nodeId: 0, seq, nonce: random.bytes(16) }
    const header = encodeHeader(objectKind.probe, identity)
    return { identity, bytes: Buffer.concat([header, random.bytes(CONTENT_BYTES)]) }
  }

  /** Sends one create until the store says created or exists. */
  async create(key: string, sample: Sample): Promise<Attempt> {
    const { clock, random } = this.#options
    const endMs = clock.nowMs() + TIME_LIMIT_MS
    let unsure = false
    for (let tries = 1; ; tries++) {
      try {
        const pieces = [sample.bytes.subarray(0, HEADER_BYTES), sample.bytes.subarray(HEADER_BYTES)]
        return { sample, answer: await this.#store.putIfAbsent(key, pieces), unsure }
      } catch (error) {
        if (!mayRetry(error) || clock.nowMs() > endMs) throw error
        if (error.kind === 'unknown') unsure = true
        await sleep(clock, backoffMs(BACKOFF, tries, random))
      }
    }
  }

  async expectBytes(key: string, expected: Buffer, what: string): Promise<void> {
    const found = await this.#store.get(key)
    if (found === null) throw new Unfit('does not find an object that it said it has')
    if (!found.equals(expected)) throw new Unfit(what)
  }

  /** One create, a refused second one, and the object read back. */
  async checkCreate(key: string): Promise<Sample> {
    const first = this.sample(1)
    const created = await this.create(key, first)
    if (created.answer === 'exists' && !created.unsure) {
      throw new Unfit('says of a new key that there is an object')
    }
    await this.expectBytes(key, first.bytes, 'gives back other bytes than were written')
    const second = await this.create(key, this.sample(2))
    const ignores =
      'creates an object a second time instead of refusing (it ignores "If-None-Match: *"), so ' +
      'that two brokers could take the same place in a log and lose acknowledged data'
    if (second.answer === 'created') throw new Unfit(ignores)
    await this.expectBytes(key, first.bytes, ignores)
    return first
  }

  async checkReads(key: string, { bytes, identity }: Sample): Promise<void> {
    const store = this.#store
    const expectPart = async (range: Parameters<ObjectStore['get']>[1], part: Buffer) => {
      const found = await store.get(key, range)
      if (found?.equals(part)) return
      throw new Unfit(`does not answer reads of a part of an object (${JSON.stringify(range)})`)
    }
    await expectPart({ start: 0, end: HEADER_BYTES }, bytes.subarray(0, HEADER_BYTES))
    await expectPart({ start: 100, end: 200 }, bytes.subarray(100, 200))
    await expectPart({ start: 900, end: 5_000 }, bytes.subarray(900))
    await expectPart({ start: 5_000, end: 6_000 }, Buffer.alloc(0))
    await expectPart({ suffixBytes: 10 }, bytes.subarray(-10))
    const head = await store.get(key, { start: 0, end: HEADER_BYTES })
    assert(head !== null && sameIdentity(decodeHeader(key, head), identity), 'the header is read')
    if ((await store.get(`${key}-absent`)) !== null) {
      throw new Unfit('gives back an object that was never written')
    }
  }

  async checkList(key: string, { bytes }: Sample): Promise<void> {
    const prefix = `${this.#folder}/`
    const listed = await this.#store.list({ prefix })
    if (!listed.some((one) => one.key === key && one.sizeBytes === bytes.length)) {
      throw new Unfit('does not list an object that was just written, or not its size')
    }
    const last = listed.at(-1)?.key ?? ''
    const after = await this.#store.list({ prefix, startAfter: last })
    if (after.length > 0) throw new Unfit('does not list from a given key on (start-after)')
  }

  async checkDelete(key: string): Promise<void> {
    await this.#store.delete([key])
    if ((await this.#store.get(key)) !== null) throw new Unfit('still has an object it deleted')
  }

  /** `racers` creates of one fresh key at once: exactly one may win. */
  async checkRace(key: string, racers: number): Promise<void> {
    const attempts = await Promise.all(
      Array.from({ length: racers }, (_, index) => this.create(key, this.sample(index))),
    )
    const winners = attempts.filter(({ answer }) => answer === 'created')
    const racy =
      'let several of many simultaneous creates of one object succeed (it does not check ' +
      '"If-None-Match: *" atomically), so that acknowledged data could be lost'
    if (winners.length > 1) throw new Unfit(racy)
    const found = await this.#store.get(key)
    if (found === null) throw new Unfit('does not find an object that it said it has')
    // With no winner told, the winner's answer was lost: it is one of those that are not sure.
    const possible = winners.length === 1 ? winners : attempts.filter(({ unsure }) => unsure)
    if (!possible.some(({ sample }) => sample.bytes.equals(found))) throw new Unfit(racy)
  }
}

/**
 * Finds out whether `store` can hold a cluster: one cheap check of everything we use, then `rounds`
 * races, because a store that decides creates without atomicity passes a single race more often
 * than not. Done once per cluster. Throws a {@link StoreError} while the store is in trouble, which
 * says nothing about its fitness.
 */
export async function probeStore(
  store: ObjectStore,
  options: ProbeOptions & { readonly rounds?: number; readonly racers?: number },
): Promise<ProbeResult> {
  const { rounds = 16, racers = 32 } = options
  const probe = new Probe(store, options)
  const reason = await probe.run(async () => {
    const key = probe.key('check')
    const sample = await probe.checkCreate(key)
    await probe.checkReads(key, sample)
    await probe.checkList(key, sample)
    await probe.checkDelete(key)
    for (let round = 0; round < rounds; round++) {
      await probe.checkRace(probe.key(`race-${round}`), racers)
    }
  })
  return reason === null ? { ok: true, rounds, racers } : { ok: false, reason }
}

/** The part of the probe for every start: one create, one refused create, one round trip. */
export async function quickProbe(store: ObjectStore, options: ProbeOptions): Promise<ProbeResult> {
  const probe = new Probe(store, options)
  const reason = await probe.run(async () => {
    await probe.checkCreate(probe.key('check'))
  })
  return reason === null ? { ok: true, rounds: 0, racers: 0 } : { ok: false, reason }
}
