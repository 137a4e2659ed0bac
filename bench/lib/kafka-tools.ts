import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SCRIPT = fileURLToPath(new URL('../../scripts/kafka-tools.sh', import.meta.url))

let found: Promise<string> | null = null

/** The Java class path of Kafka's broker and tools, which are fetched if need be. */
export function kafkaClassPath(): Promise<string> {
  found ??= promisify(execFile)('sh', [SCRIPT]).then(({ stdout }) => stdout.trim())
  return found
}

/** What Kafka's own start script gives every Java program (bin/kafka-run-class.sh). */
export const KAFKA_JVM_OPTIONS = [
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
]
