import type { Random } from '../base/random.ts'
import { CallError, type Transport } from '../broker/transport.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import { between, chance, type World } from './world.ts'

/** A process that nodes call, and how to reach it. */
export interface Callee {
  readonly process: SimulatedProcess
  /** Throws 'refused' where somebody else, or nobody yet, answers at this address. */
  answer(nodeId: number, method: string, body: Buffer): Buffer
}

export interface NetworkFaults {
  /** In 1,000: a message is lost. */
  losing: number
  /** In 1,000: a message takes up to `lateMsMax`. */
  delaying: number
  lateMsMax: number
  latencyMsMax: number
}

/** Thrown by a callee that is not the node that was meant. */
export class WrongNode extends Error {
  override name = 'WrongNode'
}

/** Every message between processes: latency, loss, cuts. */
export class SimulatedNetwork {
  faults: NetworkFaults = { losing: 0, delaying: 0, lateMsMax: 0, latencyMsMax: 2 }
  private readonly world: World
  private readonly random: Random
  private readonly cuts = new Set<string>()

  constructor(world: World) {
    this.world = world
    this.random = world.random('network')
  }

  /** Nothing gets from `source` to `target` any more; the other direction is another cut. */
  cut(source: SimulatedProcess, target: SimulatedProcess): void {
    this.cuts.add(`${source.name}>${target.name}`)
  }

  mend(source: SimulatedProcess, target: SimulatedProcess): void {
    this.cuts.delete(`${source.name}>${target.name}`)
  }

  heal(): void {
    this.cuts.clear()
    this.faults = { losing: 0, delaying: 0, lateMsMax: 0, latencyMsMax: 2 }
  }

  isCut(source: SimulatedProcess, target: SimulatedProcess): boolean {
    return this.cuts.has(`${source.name}>${target.name}`)
  }

  /** How long the next message takes, or null when it is lost. */
  latencyMs(): number | null {
    const { random, faults } = this
    if (chance(random, faults.losing)) return null
    const isLate = chance(random, faults.delaying)
    return between(random, 0.2, isLate ? faults.lateMsMax : faults.latencyMsMax)
  }

  /** Sends one message on its own: no order among messages. A dead target says `onRefused`. */
  send(
    source: SimulatedProcess,
    target: SimulatedProcess,
    onArrival: () => void,
    onRefused?: () => void,
  ): void {
    const latencyMs = this.latencyMs()
    if (latencyMs === null) return
    this.world.clock.after(latencyMs, () => {
      if (this.isCut(source, target)) return
      if (target.isAlive) target.deliver(onArrival)
      else if (onRefused !== undefined && !this.isCut(target, source)) source.deliver(onRefused)
    })
  }

  /** How `source` calls other nodes; `find` gives the process at a node's address. */
  transportOf(
    source: SimulatedProcess,
    find: (internalPort: number) => Callee | undefined,
  ): Transport {
    return {
      call: (target, method, body, timeoutMs) =>
        new Promise((resolve, reject) => {
          const callee = find(target.address.internalPort)
          if (callee === undefined) {
            reject(new CallError('refused', 'nobody has that address'))
            return
          }
          const copy = Buffer.from(body)
          const refuse = (): void => {
            reject(new CallError('refused', `node ${target.nodeId} is not there any more`))
          }
          const fail = (): void => {
            reject(new CallError('no-answer', `node ${target.nodeId} did not answer ${method}`))
          }
          source.clock.after(timeoutMs, fail)
          const arrive = (): void => {
            let answer: () => void
            try {
              const reply = callee.answer(target.nodeId, method, copy)
              answer = () => resolve(reply)
            } catch (error) {
              answer = error instanceof WrongNode ? refuse : fail
            }
            this.send(callee.process, source, answer)
          }
          this.send(source, callee.process, arrive, refuse)
        }),
    }
  }
}

/** One direction of a connection: messages arrive in their order, and none behind a lost one. */
class Stream {
  /** Nothing arrives any more, not even what is on the way. */
  isBroken = false
  private hasLost = false
  private readonly world: World
  private readonly network: SimulatedNetwork
  private readonly queue: (() => void)[] = []
  private lastArrivalMs = 0

  constructor(world: World, network: SimulatedNetwork) {
    this.world = world
    this.network = network
  }

  push(onArrival: () => void): void {
    const { clock } = this.world
    const latencyMs = this.network.latencyMs()
    if (latencyMs === null) this.hasLost = true
    if (this.hasLost || latencyMs === null) return
    this.lastArrivalMs = Math.max(this.lastArrivalMs, clock.nowMs() + latencyMs)
    this.queue.push(onArrival)
    // Whichever timer fires, the oldest arrives: sums of times are rounded, and must not reorder.
    clock.after(this.lastArrivalMs - clock.nowMs(), () => {
      const arrive = this.queue.shift()
      if (!this.isBroken) arrive?.()
    })
  }
}

/**
 * One connection of a client: requests arrive in their order. A lost message breaks it, and so does
 * the death of the server; what was on the way when the client gave up may still arrive.
 */
export class Connection {
  /** The client has given up on it, or heard that it is broken. */
  isClosed = false
  private readonly network: SimulatedNetwork
  private readonly client: SimulatedProcess
  readonly server: SimulatedProcess
  private readonly there: Stream
  private readonly back: Stream
  private readonly pending = new Set<() => void>()

  constructor(
    world: World,
    network: SimulatedNetwork,
    client: SimulatedProcess,
    server: SimulatedProcess,
  ) {
    this.network = network
    this.client = client
    this.server = server
    this.there = new Stream(world, network)
    this.back = new Stream(world, network)
  }

  /**
   * Sends one request. `serve` runs in the server, with the way to answer; then `done` runs in the
   * client, with the answer or, when the connection broke or the time was over, with null.
   */
  request<T>(
    serve: (answer: (reply: T) => void) => void,
    timeoutMs: number,
    done: (reply: T | null) => void,
  ): void {
    const { client, server, network } = this
    let isDone = false
    const finish = (reply: T | null): void => {
      if (isDone) return
      isDone = true
      timer.cancel()
      this.pending.delete(breakOff)
      done(reply)
    }
    const breakOff = (): void => finish(null)
    this.pending.add(breakOff)
    const timer = client.clock.after(timeoutMs, () => this.close())
    const answer = (reply: T): void => this.answer(() => finish(reply))
    if (this.isClosed) {
      client.clock.after(0, breakOff)
      return
    }
    this.there.push(() => {
      if (network.isCut(client, server)) this.there.isBroken = true
      else if (server.isAlive) server.deliver(() => serve(answer))
      else if (!network.isCut(server, client)) client.deliver(() => this.close())
    })
  }

  /** Answers arrive in their order; behind a lost one comes nothing more. */
  private answer(hear: () => void): void {
    const { client, server, network } = this
    this.back.push(() => {
      if (network.isCut(server, client)) this.back.isBroken = true
      else {
        client.deliver(() => {
          if (!this.isClosed) hear()
        })
      }
    })
  }

  /** Gives up on everything under way. */
  close(): void {
    this.isClosed = true
    for (const breakOff of [...this.pending]) breakOff()
  }
}
