/** What the simulator is asked for. */
export interface Arguments {
  readonly mode: 'run' | 'twice' | 'bugs' | 'cases'
  readonly first: number
  readonly last: number
  /** The name of a bug to plant, or null. */
  readonly bug: string | null
  readonly jobs: number | null
  /** How many lines of the trace are shown; null: some, after a failure. */
  readonly lines: number | null
}

export const USAGE = `usage: node sim/main.ts [SEED=7 | SEEDS=1..200] [BUG=name] [JOBS=2] [LINES=n]
  SEED=n      one seed; LINES=n shows the last n lines of its trace, LINES=all all of them
  SEEDS=a..b  many seeds, on JOBS processes
  BUG=name    with a bug planted on purpose
  --twice     each seed twice: the traces must be the same, byte for byte
  --bugs      how soon each planted bug is found, among SEEDS (1..200)
  --cases     the scripted histories of the ownership protocol
Everything may also be written as --seed n, --seeds a..b and so on.
`

const SEEDS_DEFAULT = { first: 1, last: 20 }
const BUG_SEEDS_DEFAULT = { first: 1, last: 200 }

/** `--name value` and `NAME=value` as names in lower case with values; null where neither fits. */
function pairsOf(words: readonly string[]): Map<string, string> | null {
  const pairs = new Map<string, string>()
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string
    const assigned = /^(?:--)?([A-Za-z]+)=(.*)$/.exec(word)
    if (assigned) pairs.set((assigned[1] as string).toLowerCase(), assigned[2] as string)
    else if (['--twice', '--bugs', '--cases'].includes(word)) pairs.set(word.slice(2), 'yes')
    else if (word.startsWith('--') && index + 1 < words.length) {
      pairs.set(word.slice(2), words[++index] as string)
    } else return null
  }
  return pairs
}

function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null
}

/** Reads the command line; null where it is not understood. */
export function readArguments(words: readonly string[]): Arguments | null {
  const pairs = pairsOf(words)
  if (pairs === null) return null
  const known = ['seed', 'seeds', 'bug', 'jobs', 'lines', 'twice', 'bugs', 'cases']
  if ([...pairs.keys()].some((name) => !known.includes(name))) return null
  const mode = (['twice', 'bugs', 'cases'] as const).find((name) => pairs.has(name)) ?? 'run'
  let { first, last } = mode === 'bugs' ? BUG_SEEDS_DEFAULT : SEEDS_DEFAULT
  const range = /^(\d+)\.\.(\d+)$/.exec(pairs.get('seeds') ?? '')
  const seed = numberOf(pairs.get('seed'))
  if (range) {
    first = Number(range[1])
    last = Number(range[2])
  } else if (seed !== null) first = last = seed
  else if (pairs.has('seed') || pairs.has('seeds')) return null
  const lines = pairs.get('lines')
  return {
    mode,
    first,
    last,
    bug: pairs.get('bug') ?? null,
    jobs: numberOf(pairs.get('jobs')),
    lines: lines === 'all' ? Number.MAX_SAFE_INTEGER : numberOf(lines),
  }
}
