/** `operator/local/main.ts` with fake brokers; for tests. */
import { fileURLToPath } from 'node:url'
import { run } from '../run.ts'

const brokerProgram = [fileURLToPath(new URL('./fake-broker.ts', import.meta.url))]

process.exit(await run({ args: process.argv.slice(2), brokerProgram }))
