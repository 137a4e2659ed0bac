/** What the fuzzer is asked for. */
export interface Arguments {
  readonly seed: number
  readonly seconds: number
  /** `decoders`, `connections`, or the name of one target; null: both. */
  readonly only: string | null
  /** Whether inputs that reach something new are written into the corpus. */
  readonly keep: boolean
  /** Whether it fails where next to nothing was fed: a run in CI that looks at nothing finds nothing. */
  readonly hasFloor: boolean
}

export const USAGE = `usage: node fuzz/main.ts [SEED=7] [SECONDS=60] [ONLY=decoders|connections|<target>] [--keep] [--floor]
  SEED=n     everything that is random follows from it; more seconds go further on the same way
  SECONDS=n  three quarters for decoders, one for whole connections to a real broker
  ONLY=name  only that part, or only that decoder
  --keep     small inputs that reach something new are added to fuzz/corpus
  --floor    fails where next to nothing was fed; always so where CI is set
`

const DEFAULTS: Arguments = { seed: 1, seconds: 60, only: null, keep: false, hasFloor: false }

/** Reads the command line (`NAME=value`, `--name value`); null where it is not understood. */
export function readArguments(words: readonly string[]): Arguments | null {
  let given = DEFAULTS
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string
    if (word === '--keep') {
      given = { ...given, keep: true }
      continue
    }
    if (word === '--floor') {
      given = { ...given, hasFloor: true }
      continue
    }
    const [name = '', assigned] = word.replace(/^--/, '').split('=', 2)
    const value = assigned ?? words[++index] ?? ''
    if (name.toLowerCase() === 'only') given = { ...given, only: value }
    else if (!/^\d+$/.test(value)) return null
    else if (name.toLowerCase() === 'seed') given = { ...given, seed: Number(value) }
    else if (name.toLowerCase() === 'seconds') given = { ...given, seconds: Number(value) }
    else return null
  }
  return given
}
