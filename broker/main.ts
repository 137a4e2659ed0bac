import { systemClock } from '../base/clock.ts'
import { jsonLogger, type LogLevelSetting } from '../base/log.ts'
import { brokerSettings } from './settings.ts'
import { Worker } from './worker.ts'

/**
 * One broker process. Logs JSON lines to stderr; prints one JSON line to stdout once it serves.
 * SIGTERM and SIGINT drain it. Exit codes: 0 drained; 1 cannot start or go on; 3 taken over by
 * another node (start it again: it comes back as a new node).
 */
const EXIT_FAULT = 1
const EXIT_TAKEN_OVER = 3

async function main(): Promise<void> {
  const write = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  const level: LogLevelSetting = { current: 'info' }
  const logger = jsonLogger({ clock: systemClock, level, write })
  // A broken invariant ends the process; that is safe, because ownership is fenced in the bucket.
  process.on('uncaughtException', (error) => {
    logger.error('the broker ends: an invariant does not hold', { error, stack: error.stack })
    process.exit(EXIT_FAULT)
  })
  process.on('unhandledRejection', (error) => {
    const stack = (error as Error | null)?.stack
    logger.error('the broker ends: a fault that nobody handles', { error, stack })
    process.exit(EXIT_FAULT)
  })
  try {
    const settings = brokerSettings(process.env)
    level.current = settings.logLevel
    const worker = new Worker(
      settings,
      logger,
      (reason, error) => {
        if (reason === 'drained') {
          logger.info('the broker ends: drained')
          process.exit(0)
        }
        logger.error(`the broker ends: ${reason}`, { error })
        process.exit(error === undefined ? EXIT_TAKEN_OVER : EXIT_FAULT)
      },
      level,
    )
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        logger.info('draining', { signal })
        void worker.drain()
      })
    }
    const started = await worker.start()
    process.stdout.write(`${JSON.stringify({ event: 'ready', ...started })}\n`)
    logger.info('serving', { ...started })
  } catch (error) {
    logger.error('the broker cannot start', { error })
    process.exit(EXIT_FAULT)
  }
}

void main()
