import { request } from 'node:http'
import { z } from 'zod'
import { assert } from '../../base/assert.ts'
import type { Clock } from '../../base/clock.ts'
import type { BrokerMetric, Summary } from '../api/autoscaling.ts'

/** Where a server listens. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

const count = z.number().nonnegative()

/** What a broker says of its own load (`GET /load`). Rates are over its last seconds. */
const brokerLoad = z.object({
  nodeId: z.int(),
  state: z.enum(['active', 'draining']),
  partitions: count,
  bytesInPerSecond: count,
  bytesOutPerSecond: count,
  requestsPerSecond: count,
  eventLoopUtilization: count,
  walBacklogBytes: count,
  /** Brokers of an older image do not tell it. */
  saturation: count.optional(),
  movesIn: count,
  movesOut: count,
  movesMsLast: count.nullish(),
  clusterPartitions: count,
  controller: z.boolean(),
})
export type BrokerLoad = z.infer<typeof brokerLoad>

/** A broker whose loop is busy still answers well within this. */
const TIMEOUT_MS = 2000
/** The answer has about 400 bytes. */
const ANSWER_BYTES_MAX = 64 * 1024

/** The load of the broker whose admin port is `admin`, or null when it does not say, in time. */
export async function fetchLoad(admin: Endpoint, clock: Clock): Promise<BrokerLoad | null> {
  const body = await fetchText({ ...admin, path: '/load' }, clock)
  if (body === null) return null
  try {
    return brokerLoad.parse(JSON.parse(body))
  } catch {
    return null
  }
}

function fetchText(
  from: Endpoint & { readonly path: string },
  clock: Clock,
): Promise<string | null> {
  return new Promise((resolve) => {
    // No kept-alive connection: a broker that drains would have to wait for it.
    const call = request({ ...from, agent: false, headers: { connection: 'close' } })
    const timer = clock.after(TIMEOUT_MS, () => finish(null))
    function finish(text: string | null): void {
      timer.cancel()
      call.destroy()
      resolve(text)
    }
    call.on('error', () => finish(null))
    call.on('response', (response) => {
      const pieces: Buffer[] = []
      let bytes = 0
      response.on('error', () => finish(null))
      response.on('data', (piece: Buffer) => {
        pieces.push(piece)
        bytes += piece.length
        if (bytes > ANSWER_BYTES_MAX) finish(null)
      })
      response.on('end', () => {
        finish(response.statusCode === 200 ? Buffer.concat(pieces).toString('utf8') : null)
      })
    })
    call.end()
  })
}

/**
 * The load as the metrics that autoscalers know, in thousandths of their units: the mapping that
 * `brokerMetrics` promises.
 */
export function milliByMetricOf(load: BrokerLoad): ReadonlyMap<BrokerMetric, number> {
  const milli = (value: number): number => Math.ceil(value * 1000)
  const known = new Map<BrokerMetric, number>([
    [
      'streamcluster_network_bytes_per_second',
      milli(load.bytesInPerSecond + load.bytesOutPerSecond),
    ],
    ['streamcluster_requests_per_second', milli(load.requestsPerSecond)],
    ['streamcluster_event_loop_utilization', milli(load.eventLoopUtilization)],
    ['streamcluster_wal_backlog_bytes', milli(load.walBacklogBytes)],
  ])
  if (load.saturation !== undefined) known.set('streamcluster_saturation', milli(load.saturation))
  return known
}

/** A metric of all brokers together, of at least one value, in the values' unit. */
export function summarize(values: readonly number[], summary: Summary): number {
  assert(values.length > 0, 'a summary is of something')
  if (summary === 'max') return Math.max(...values)
  const total = values.reduce((sum, value) => sum + value, 0)
  return summary === 'total' ? total : Math.ceil(total / values.length)
}
