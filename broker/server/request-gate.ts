import { apis } from '../protocol/api-keys.ts'
import type { Request } from '../request.ts'

/** Requests of one connection that are worked on at once, beside produces and a fetch. */
const AT_ONCE_MAX = 64

export interface GateOptions {
  readonly begin: (request: Request) => void
  /** Whether the client takes its answers. */
  readonly isOpen: () => boolean
  readonly isOpenToFetches: () => boolean
}

/**
 * Lets the requests of one connection begin. Kafka works on one at a time, so a client loses nothing
 * by any order here. Produces begin at once: they wait for the bucket side by side, and their
 * answers are small. Others have answers of any size, and a client that sends thousands of them and
 * reads nothing would have them all in memory: of fetches one begins when the one before is sent.
 */
export class RequestGate {
  private readonly options: GateOptions
  private waiting: Request[] = []
  private underWay = 0
  private fetching = false
  private pumping = false

  constructor(options: GateOptions) {
    this.options = options
  }

  /** Those that have not begun. */
  get waitingCount(): number {
    return this.waiting.length
  }

  enter(request: Request): void {
    if (isProduce(request)) this.options.begin(request)
    else if (this.waiting.length === 0 && this.mayBegin(request)) this.begin(request)
    else this.waiting.push(request)
  }

  private mayBegin(request: Request): boolean {
    if (!this.options.isOpen()) return false
    if (isFetch(request)) return !this.fetching && this.options.isOpenToFetches()
    return this.underWay < AT_ONCE_MAX
  }

  private begin(request: Request): void {
    if (isFetch(request)) this.fetching = true
    else this.underWay++
    this.options.begin(request)
  }

  /** It is answered, and so are all before it. */
  answered(request: Request): void {
    if (!isFetch(request) && !isProduce(request)) this.underWay--
  }

  /** Its answer has left, or never will. */
  sent(request: Request): void {
    if (!isFetch(request)) return
    this.fetching = false
    this.pump()
  }

  /** To be called when something is other than it was: begins those that may. */
  pump(): void {
    if (this.pumping) return
    this.pumping = true
    while (this.waiting.length > 0) {
      const next = this.waiting[0] as Request
      if (!this.mayBegin(next)) break
      this.waiting.shift()
      this.begin(next)
    }
    this.pumping = false
  }

  /** Those that will never begin. */
  close(): readonly Request[] {
    const { waiting } = this
    this.waiting = []
    return waiting
  }
}

function isProduce(request: Request): boolean {
  return request.api.key === apis.produce.key
}

function isFetch(request: Request): boolean {
  return request.api.key === apis.fetch.key
}
