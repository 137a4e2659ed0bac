import { readArguments, USAGE } from './arguments.ts'
import { CORPUS, fuzzConnections } from './connections/run.ts'
import { addToCorpus } from './corpus.ts'
import { type Feeder, runDecoders } from './decoders/run.ts'
import { targets } from './decoders/targets/index.ts'

/** Of the time, what decoders get; whole connections get the rest. */
const DECODERS_SHARE = 0.75
/**
 * What a run must have fed at least for each second that it had: in all, and each decoder. Two CPUs
 * that much else runs on feed twenty times as much (20,000, 100 and 140): less than this is a fuzzer
 * that does not run.
 */
const INPUTS_PER_SECOND_MIN = 1_000
const INPUTS_EACH_PER_SECOND_MIN = 2
const FRAMES_PER_SECOND_MIN = 7
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
  tellInput(target.name, input)
}

function tellInput(corpus: string, input: Buffer): void {
  if (input.length > SHOWN_BYTES_MAX) return
  console.log(`to be replayed first of all, add to fuzz/corpus/${corpus}.txt:`)
  console.log(input.toString('base64'))
}

/** Says what is fed too little of, where that counts. */
function isEnough(what: string, count: number, countMin: number, hasFloor: boolean): boolean {
  if (!hasFloor || count >= countMin) return true
  console.log(`FOUND: ${count} ${what} are fewer than ${countMin}: next to nothing was tried`)
  return false
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
  const hasFloor = given.hasFloor || process.env['CI'] !== undefined
  let isGood = true
  if (only !== 'connections') {
    const seconds = only === null ? given.seconds * DECODERS_SHARE : given.seconds
    const feeders = await runDecoders(wanted.length > 0 ? wanted : targets, { seed, seconds })
    for (const feeder of feeders) tell(feeder, keep)
    isGood = feeders.every(({ finding }) => finding === null)
    const inputs = feeders.reduce((sum, { inputCount }) => sum + inputCount, 0)
    console.log(`decoders: ${inputs} inputs`)
    isGood &&= isEnough('inputs', inputs, seconds * INPUTS_PER_SECOND_MIN, hasFloor)
    for (const { target, inputCount } of feeders) {
      const countMin = seconds * INPUTS_EACH_PER_SECOND_MIN
      isGood &&= isEnough(`inputs of ${target.name}`, inputCount, countMin, hasFloor)
    }
  }
  if (only === null || only === 'connections') {
    const seconds = only === null ? given.seconds * (1 - DECODERS_SHARE) : given.seconds
    const { problems, frames, novel, culprits } = await fuzzConnections({ seed, seconds })
    for (const problem of problems) console.log(`FOUND: ${problem}`)
    for (const conversation of culprits) tellInput(CORPUS, conversation)
    if (keep) console.log(`connections: ${addToCorpus(CORPUS, novel)} conversations kept`)
    const isTried = isEnough('frames', frames, seconds * FRAMES_PER_SECOND_MIN, hasFloor)
    isGood &&= problems.length === 0 && isTried
  }
  console.log(`${isGood ? 'nothing' : 'something'} was found with seed ${seed}`)
  return isGood
}

process.exitCode = (await main()) ? 0 : 1
