import { crc32c } from '../base/crc32c.ts'
import { memoryStore } from '../object-store/memory.ts'
import {
  type Body,
  type ObjectStore,
  StoreError,
  type StoreErrorKind,
} from '../object-store/store.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

export interface StoreRequest {
  readonly process: SimulatedProcess
  readonly operation: 'put' | 'get' | 'list' | 'delete'
  readonly key: string
}

/** What becomes of one request. Times count from the request. */
export interface Fate {
  /** When it takes effect; null: never. */
  readonly effectAfterMs: number | null
  /** A second delivery of the same request, as a proxy that tries again would make it. */
  readonly againAfterMs: number | null
  /** When the caller hears: of the result, or of this error, whatever the effect. */
  readonly answerAfterMs: number
  readonly error: StoreErrorKind | null
  /** Whether it still takes effect when the caller has died meanwhile: the bytes were on the way. */
  readonly landsAfterCrash: boolean
  /** Holds the effect back until it resolves, for scripted histories. */
  readonly gate?: Promise<void>
}

/** Decides the fate of every request, in the order in which they are made. */
export type Weather = (request: StoreRequest) => Fate

/** Answers at once; for scripted histories. */
export const calmWeather: Weather = () => ({
  effectAfterMs: 1,
  againAfterMs: null,
  answerAfterMs: 2,
  error: null,
  landsAfterCrash: true,
})

/** The error of a request whose answer is lost: of a read, nothing was done in any case. */
export function lostAnswer(operation: StoreRequest['operation']): StoreErrorKind {
  return operation === 'put' || operation === 'delete' ? 'unknown' : 'unavailable'
}

function crcOf(body: Body): number {
  let crc = 0
  for (const piece of body) crc = crc32c(piece, crc)
  return crc
}

/** The bucket, as every process sees it through its own network. */
export class SimulatedStore {
  /** What is in the bucket, without any faults. */
  readonly truth: ObjectStore = memoryStore()
  weather: Weather = calmWeather
  /** Processes whose answers do not get through. */
  readonly cutOff = new Set<SimulatedProcess>()
  private readonly world: World

  constructor(world: World) {
    this.world = world
  }

  /** The store as `process` sees it. */
  viewOf(process: SimulatedProcess): ObjectStore {
    const { truth } = this
    return {
      description: 'simulated:',
      putIfAbsent: (key, body) => this.put(process, key, body),
      get: (key, range) =>
        this.perform({ process, operation: 'get', key }, () => truth.get(key, range), sizeText),
      list: (options) => {
        const request = { process, operation: 'list', key: options.prefix } as const
        return this.perform(
          request,
          () => truth.list(options),
          (page) => `${page.length}`,
        )
      },
      delete: (keys) => {
        const copy = [...keys]
        const request = { process, operation: 'delete', key: copy.join(' ') } as const
        return this.perform(
          request,
          () => truth.delete(copy),
          () => 'done',
        )
      },
      close: async () => {},
    }
  }

  private async put(
    process: SimulatedProcess,
    key: string,
    body: Body,
  ): Promise<'created' | 'exists'> {
    const bytes = Buffer.concat(body)
    const crc = crcOf(body)
    const request = { process, operation: 'put', key } as const
    try {
      return await this.perform(request, () => this.truth.putIfAbsent(key, [bytes]), String)
    } finally {
      // Whoever gave the memory away would have sent somebody else's bytes.
      if (crcOf(body) !== crc) {
        this.world.fail('a body stays as it is while its PUT is under way', key)
      }
    }
  }

  private perform<T>(
    request: StoreRequest,
    effect: () => Promise<T>,
    describe: (result: T) => string,
  ): Promise<T> {
    const { clock, trace } = this.world
    const { process, operation, key } = request
    const fate = this.weather(request)
    const land = async (how: string): Promise<T | undefined> => {
      if (fate.gate !== undefined) await fate.gate
      if (!process.isAlive && !fate.landsAfterCrash) return undefined
      const result = await effect()
      const late = process.isAlive ? '' : ' after the crash'
      trace.line(process.name, `${operation} ${key}: ${describe(result)}${how}${late}`)
      return result
    }
    if (fate.againAfterMs !== null) clock.after(fate.againAfterMs, () => void land(' (again)'))
    return new Promise<T>((resolve, reject) => {
      const lose = (kind: StoreErrorKind): void => {
        trace.line(process.name, `${operation} ${key}: answered ${kind}`)
        reject(new StoreError(kind, key, `${kind}: simulated`))
      }
      if (fate.effectAfterMs !== null) {
        const leftMs = Math.max(0, fate.answerAfterMs - fate.effectAfterMs)
        const hear = (result: T | undefined): void => {
          if (this.cutOff.has(process)) lose(lostAnswer(operation))
          else resolve(result as T)
        }
        clock.after(fate.effectAfterMs, () => {
          void land(fate.error === null ? '' : ' (answer lost)').then((result) => {
            if (fate.error !== null) return
            clock.after(leftMs, () => process.deliver(() => hear(result)))
          })
        })
      }
      const { error } = fate
      if (error !== null) clock.after(fate.answerAfterMs, () => process.deliver(() => lose(error)))
    })
  }
}

function sizeText(bytes: Buffer | null): string {
  return bytes === null ? 'absent' : `${bytes.length} bytes`
}
