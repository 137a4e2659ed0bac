import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SCRIPT = resolve(import.meta.dirname, '../../scripts/kafka-tools.sh')
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

/** Fetching Kafka takes a while the first time: tests that need it are given so long. */
export const FETCH_MS_MAX = 300_000

/**
 * Runs a Java source file against all of Kafka's classes, with `input` as its standard input, and
 * returns what it prints. Unlike protocol/kafka-reference.ts it has the broker's classes and the
 * compression libraries too.
 */
export async function runJavaWithKafka(sourcePath: string, input = ''): Promise<string> {
  const classPath = (await run(SCRIPT, [])).stdout.trim()
  const flags = ['-Xmx512m', '-XX:TieredStopAtLevel=1', '-cp', classPath, sourcePath]
  const child = run('java', flags, { maxBuffer: OUTPUT_BYTES_MAX })
  child.child.stdin?.end(input)
  return (await child).stdout
}
