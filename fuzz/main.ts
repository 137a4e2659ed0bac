import { readArguments, USAGE } from './arguments.ts'
import { fuzzConnections } from './connections/run.ts'
import { addToCorpus } from './decoders/corpus.ts'
import { type Feeder, runDecoders } from './decoders/run.ts'
import { targets } from './decoders/targets/index.ts'

/** Of the time, what decoders get; whole connections get the rest. */
const DECODERS_SHARE = 0.75
/** Larger inputs are told by their size only. */
const SHOWN_BYTES_MAX = 4_096

function tell(feeder: Feeder, keep: boolean): void {
  const { target, inputCount, outcomeCount, slowestMs, finding, novel } = feeder
  const kept = keep ? `, ${addToCorpus(target.name, novel)} kept` : ''
  const counts = `${inputCount} inputs, ${outcomeCount} outcomes, ${novel.size} kinds new${kept}`
  console.log(`${target.name.padEnd(16)} ${counts}, slowest ${Math.round(slowestMs)} ms`)
  if (finding === null) return
  const { input, what } = finding
  console.log(`\nFOUND: ${what}\nby ${input.length} bytes, number ${inputCount} of its seed`)
  if (input.length > SHOWN_BYTES_MAX) return
  console.log(`to be replayed first of all, add to fuzz/corpus/${target.name}.txt:`)
  console.log(input.toString('base64'))
}

async function main(): Promise<boolean> {
  const given = readArguments(process.argv.slice(2))
  const wanted = targets.filter(({ name }) => given?.only === name)
  const isKnown = given?.only == null || ['decoders', 'connections'].includes(given.only)
  if (given === null || (!isKnown && wanted.length === 0)) {
    process.stderr.write(`${USAGE}decoders: ${targets.map(({ name }) => name).join(', ')}\n`)
    return false
  }
  const { seed, only, keep } = given
  let isGood = true
  if (only !== 'connections') {
    const seconds = only === null ? given.seconds * DECODERS_SHARE : given.seconds
    const feeders = await runDecoders(wanted.length > 0 ? wanted : targets, { seed, seconds })
    for (const feeder of feeders) tell(feeder, keep)
    isGood = feeders.every(({ finding }) => finding === null)
    const inputs = feeders.reduce((sum, { inputCount }) => sum + inputCount, 0)
    console.log(`decoders: ${inputs} inputs`)
  }
  if (only === null || only === 'connections') {
    const seconds = only === null ? given.seconds * (1 - DECODERS_SHARE) : given.seconds
    const problems = await fuzzConnections({ seed, seconds })
    for (const problem of problems) console.log(`FOUND: ${problem}`)
    isGood &&= problems.length === 0
  }
  console.log(`${isGood ? 'nothing' : 'something'} was found with seed ${seed}`)
  return isGood
}

process.exitCode = (await main()) ? 0 : 1
