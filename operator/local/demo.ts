import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { playDemo } from './demo/play.ts'
import { run } from './run.ts'

/** `make demo`: a cluster that grows and shrinks under load, on data of its own. */
const brokerProgram = [fileURLToPath(new URL('../../broker/main.ts', import.meta.url))]
const DATA = '.cache/demo'

let notes: () => readonly string[] = () => []
const args = process.argv.slice(2)
// Last wins: what the person gives comes after ours.
const code = await run({
  args: ['--port', '0', '--data', DATA, ...args],
  fileDefault: fileURLToPath(new URL('../../examples/demo.yaml', import.meta.url)),
  brokerProgram,
  notes: () => notes(),
  whileServing: (serving) =>
    playDemo(serving, (lines) => {
      notes = lines
    }),
})
// Half a gigabyte of numbers is worth nothing afterwards; logs are, if it failed.
if (code === 0 && !args.some((arg) => arg.startsWith('--data'))) {
  rmSync(resolve(DATA, 'bucket'), { recursive: true, force: true })
}
process.exit(code)
