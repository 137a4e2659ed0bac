import { Child } from './child.ts'
import { kafkaClassPath, KAFKA_JVM_OPTIONS } from './kafka-tools.ts'
import type { Peer } from './peer.ts'

export const RECORD_BYTES = 1024

/** What kafka-producer-perf-test.sh gives its Java. */
const HEAP_OPTIONS = ['-Xmx512M']

/** What the tool says at its end. */
export interface ProducerReport {
  readonly records: number
  readonly recordsPerSecond: number
  readonly latencyMsMean: number
  readonly latencyMsMax: number
  readonly latencyMsMedian: number
  readonly latencyMsP95: number
  readonly latencyMsP99: number
  readonly latencyMsP999: number
}

const REPORT =
  /^(\d+) (?:steady state )?records sent, ([\d.]+) records\/sec \([\d.]+ MB\/sec\), ([\d.]+) ms avg latency, ([\d.]+) ms max latency, (\d+) ms 50th, (\d+) ms 95th, (\d+) ms 99th, (\d+) ms 99\.9th\.$/

/** Reads the line of totals, or returns null for any other line. */
export function parseReport(line: string): ProducerReport | null {
  const match = REPORT.exec(line)
  if (match === null) return null
  const [records, rate, mean, max, p50, p95, p99, p999] = match.slice(1).map(Number)
  return {
    records: records as number,
    recordsPerSecond: rate as number,
    latencyMsMean: mean as number,
    latencyMsMax: max as number,
    latencyMsMedian: p50 as number,
    latencyMsP95: p95 as number,
    latencyMsP99: p99 as number,
    latencyMsP999: p999 as number,
  }
}

export interface ProducerLoad {
  readonly topic: string
  readonly records: number
  readonly batchBytes: number
  /** Records per second; null: as many as go. */
  readonly recordsPerSecond: number | null
  /** A file with payloads, one a line, each {@link RECORD_BYTES} long. */
  readonly payloadFile: string
}

/**
 * Starts one of Kafka's own producers on `peer`. The report leaves out the first `warmRecords`, and
 * its count of records with them.
 */
export async function startProducer(
  peer: Peer,
  load: ProducerLoad,
  options: { readonly warmRecords?: number } = {},
): Promise<{ finished: Promise<ProducerReport>; child: Child }> {
  const { warmRecords = 0 } = options
  let report: ProducerReport | null = null
  const child = new Child(
    'java',
    [
      ...HEAP_OPTIONS,
      ...KAFKA_JVM_OPTIONS,
      ...['-cp', await kafkaClassPath(), 'org.apache.kafka.tools.ProducerPerformance'],
      ...['--bootstrap-server', peer.bootstrap, '--topic', load.topic],
      ...['--num-records', String(load.records), '--payload-file', load.payloadFile],
      ...['--throughput', String(load.recordsPerSecond ?? -1)],
      ...(warmRecords > 0 ? ['--warmup-records', String(warmRecords)] : []),
      ...['--command-property', 'acks=all', 'linger.ms=5', `batch.size=${load.batchBytes}`],
    ],
    {
      onLine: (line) => {
        report = parseReport(line) ?? report
      },
    },
  )
  const finished = child.success().then(() => {
    if (report === null) throw new Error(`the producer said nothing:\n${child.output}`)
    if (report.records !== load.records - warmRecords)
      throw new Error(`records are missing:\n${child.output}`)
    return report
  })
  return { finished, child }
}

/** Runs `processes` producers side by side, each with its share of the records. */
export async function produce(
  peer: Peer,
  load: ProducerLoad,
  processes: number,
): Promise<ProducerReport[]> {
  const records = Math.ceil(load.records / processes)
  const started = await Promise.all(
    Array.from({ length: processes }, () => startProducer(peer, { ...load, records })),
  )
  return Promise.all(started.map(({ finished }) => finished))
}
