import { Producer } from '@platformatic/kafka'
import type { LoadReport, LoadSettings } from './load-messages.ts'
import { recordValue } from './load-messages.ts'
import { pause } from './wait.ts'

/**
 * A load on a cluster, in a process of its own: an ordinary client's idempotent producers, which are
 * never replaced and never give up. It ends when its parent says so, after everything it sent has
 * been acknowledged; and at once when its parent is gone.
 */
const settings = JSON.parse(process.argv[2] ?? '{}') as LoadSettings
let writing = true

function report(message: LoadReport): void {
  process.send?.(message)
}

/** The client wraps what happened several times; the innermost error tells. */
function wordsOf(error: unknown): string {
  const { message, errors, cause } = error as {
    message?: string
    errors?: unknown[]
    cause?: unknown
  }
  const inner = errors?.at(-1) ?? cause
  return inner === undefined ? (message ?? String(error)) : `${message}: ${wordsOf(inner)}`
}

/** A producer for each partition: this client sends batches of one request to one broker only. */
async function write(partition: number): Promise<void> {
  const { timeoutMs } = settings
  const options = {
    clientId: `${settings.name}-${partition}`,
    bootstrapBrokers: [...settings.bootstrap],
    idempotent: true,
    retries: Number.MAX_SAFE_INTEGER,
    retryDelay: 50,
    timeout: timeoutMs,
    // Of one request; a broker that is paused takes requests and never answers.
    requestTimeout: timeoutMs,
    connectTimeout: 1_000,
    // It looks for a new leader once when it is told that a broker is none, and then only when what
    // it knows is old.
    metadataMaxAge: 250,
  }
  const producer = new Producer(options)
  const { topic, batchRecords, pauseMs } = settings
  for (let first = 0; writing; first += batchRecords) {
    const messages = Array.from({ length: batchRecords }, (_, index) => {
      return {
        topic,
        partition,
        value: Buffer.from(recordValue(settings, partition, first + index)),
      }
    })
    const { offsets } = await producer.send({ messages })
    const baseOffset = Number(offsets?.[0]?.offset ?? -1)
    report({ kind: 'acked', partition, baseOffset, first, count: batchRecords })
    await pause(pauseMs)
  }
  await producer.close()
}

process.on('message', () => {
  writing = false
})
process.on('disconnect', () => process.exit(0))
await Promise.all(
  settings.partitions.map((partition) => {
    return write(partition).catch((error: unknown) => {
      report({ kind: 'failed', partition, message: wordsOf(error) })
    })
  }),
)
report({ kind: 'finished' })
