import type { Clock } from '../base/clock.ts'
import { Metrics } from '../base/metrics.ts'
import type { RequestEnd } from '../object-store/instrumented.ts'
import type { Node } from './node.ts'
import type { AnyApi } from './protocol/api-keys.ts'

/** What only the process as a whole knows. */
export interface ProcessSources {
  readonly connections: () => number
  readonly connectionsRefused: () => number
  readonly requestBytes: () => number
  readonly unsentBytes: () => number
  readonly pooledBytes: () => number
  readonly eventLoopUtilization: () => number
  readonly saturation: () => number
}

/** Everything a broker measures. Names are part of the interface: see docs/architecture.md. */
export class BrokerMetrics {
  readonly registry = new Metrics()
  private readonly stage = this.registry.histogram(
    'streamcluster_produce_stage_seconds',
    'Time of a produce in each stage: wal_wait (first byte of a log ' +
      'object to its PUT), wal_put (the PUT), total (received to answered).',
    'stage',
  )
  readonly produceTotal = this.stage('total')
  readonly walWait = this.stage('wal_wait')
  readonly walPut = this.stage('wal_put')
  private readonly requestSeconds = this.registry.histogram(
    'streamcluster_request_seconds',
    'Time from a request received to its answer, long polls included.',
    'api',
  )
  private readonly requestObservers = new Map<number, (seconds: number) => void>()
  private readonly storeSeconds = this.registry.histogram(
    'streamcluster_store_request_seconds',
    'Time of requests to the object store.',
    'operation',
  )
  private readonly storeObservers = {
    put: this.storeSeconds('put'),
    get: this.storeSeconds('get'),
    list: this.storeSeconds('list'),
    delete: this.storeSeconds('delete'),
  }
  private readonly storeErrors = this.registry.labelledCounter(
    'streamcluster_store_errors_total',
    'Requests to the object store that failed, by operation and kind of error.',
    ['operation', 'kind'],
  )
  storeBytesPut = 0
  storeBytesGot = 0
  walObjects = 0
  walBytes = 0

  /** Told by the instrumented store. */
  storeRequest(end: RequestEnd): void {
    this.storeObservers[end.operation](end.durationMs / 1000)
    if (end.errorKind !== null) {
      this.storeErrors({ operation: end.operation, kind: end.errorKind })
    } else if (end.operation === 'put') this.storeBytesPut += end.bytes
    else if (end.operation === 'get') this.storeBytesGot += end.bytes
  }

  walObject(measured: { bytes: number; waitMs: number; putMs: number }): void {
    this.walObjects++
    this.walBytes += measured.bytes
    this.walWait(measured.waitMs / 1000)
    this.walPut(measured.putMs / 1000)
  }

  requestAnswered(api: AnyApi, seconds: number): void {
    let observe = this.requestObservers.get(api.key)
    if (observe === undefined) {
      observe = this.requestSeconds(api.name)
      this.requestObservers.set(api.key, observe)
    }
    observe(seconds)
    if (api.key === 0) this.produceTotal(seconds)
  }

  /** Registers what is read off the node at each scrape. */
  watch(node: Node, clock: Clock, sources: ProcessSources): void {
    const { registry } = this
    const { total } = node.loadMeter
    registry.counter(
      'streamcluster_bytes_in_total',
      'Record bytes taken from producers.',
      () => total.bytesIn,
    )
    registry.counter(
      'streamcluster_bytes_out_total',
      'Record bytes given to consumers.',
      () => total.bytesOut,
    )
    registry.counter('streamcluster_requests_total', 'Requests received.', () => total.requests)
    registry.counter(
      'streamcluster_wal_objects_total',
      'Log objects that became durable.',
      () => this.walObjects,
    )
    registry.counter(
      'streamcluster_wal_bytes_total',
      'Bytes of log objects that became durable.',
      () => this.walBytes,
    )
    registry.counter(
      'streamcluster_store_put_bytes_total',
      'Bytes put into the object store.',
      () => this.storeBytesPut,
    )
    registry.counter(
      'streamcluster_store_get_bytes_total',
      'Bytes got from the object store.',
      () => this.storeBytesGot,
    )
    registry.counter(
      'streamcluster_partitions_moved_in_total',
      'Partitions taken over from other nodes.',
      () => node.partitions.movedIn,
    )
    registry.counter(
      'streamcluster_partitions_moved_out_total',
      'Partitions given to other nodes.',
      () => node.partitions.movedOut,
    )
    this.watchState(node, clock)
    this.watchProcess(sources)
  }

  private watchState(node: Node, clock: Clock): void {
    const { registry } = this
    registry.gauge(
      'streamcluster_wal_backlog_bytes',
      'Bytes accepted that are not durable yet.',
      () => node.wal.backlogBytes,
    )
    registry.gauge(
      'streamcluster_partitions',
      'Partitions that this node owns.',
      () => node.partitions.size,
    )
    registry.gauge('streamcluster_nodes', 'Nodes of the cluster that are not sealed.', () => {
      let count = 0
      for (const { state } of node.image.nodes.values()) if (state !== 'sealed') count++
      return count
    })
    registry.gauge('streamcluster_controller', '1 on the node that holds the controller.', () =>
      node.controller.isHolder ? 1 : 0,
    )
    registry.gauge(
      'streamcluster_metadata_seq',
      'The metadata log seq that this node has applied.',
      () => node.log.seq,
    )
    registry.gauge(
      'streamcluster_metadata_age_seconds',
      "Time since the metadata log's head was confirmed.",
      () => (clock.nowMs() - node.log.headConfirmedAtMs) / 1000,
    )
    registry.gauge(
      'streamcluster_tail_cache_bytes',
      'Newest data kept in memory.',
      () => node.tailCache.bytes,
    )
  }

  private watchProcess(sources: ProcessSources): void {
    const { registry } = this
    registry.gauge('streamcluster_frame_bytes', 'Request frames in memory.', sources.pooledBytes)
    registry.gauge('streamcluster_connections', 'Open client connections.', sources.connections)
    registry.counter(
      'streamcluster_connections_refused_total',
      'Client connections that a bound did not let in.',
      sources.connectionsRefused,
    )
    registry.gauge(
      'streamcluster_request_bytes',
      'Bytes of requests that queued.max.request.bytes counts.',
      sources.requestBytes,
    )
    registry.gauge(
      'streamcluster_unsent_bytes',
      'Bytes of answers that clients have not taken.',
      sources.unsentBytes,
    )
    registry.gauge(
      'streamcluster_event_loop_utilization',
      'Share of time that the event loop is busy, 0 to 1.',
      sources.eventLoopUtilization,
    )
    registry.gauge(
      'streamcluster_saturation',
      'Share used of what is scarcest, the event loop or the room for bytes that are not durable yet.',
      sources.saturation,
    )
    registry.gauge('process_resident_memory_bytes', 'Resident memory.', () =>
      process.memoryUsage.rss(),
    )
    registry.counter('process_cpu_seconds_total', 'User and system CPU time.', () => {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1e6
    })
  }
}
