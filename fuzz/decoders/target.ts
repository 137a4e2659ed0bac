import type { Random } from '../../base/random.ts'

/** Something that reads bytes which others wrote. */
export interface Target {
  readonly name: string
  /** How many turns it has where others have one: what strangers reach first is looked at most. */
  readonly weight?: number
  /** Valid inputs, to begin with. */
  seeds(random: Random): Buffer[]
  /**
   * Reads an input that is its own to change. Returns a word for what came out: inputs that get
   * another word, or another error, than all before them are kept and changed further; what stands
   * behind a `|` is a detail, of which the corpus keeps only one. Throws what is declared, or an
   * error that is to be found.
   */
  run(input: Buffer): string | Promise<string>
  /** Whether the reader is documented to throw this. */
  isDeclared(error: Error): boolean
  /** Makes checksums and the like right again, in place, so that what lies behind them is reached. */
  readonly repair?: (input: Buffer) => void
}

/** What an input led to. */
export interface Outcome {
  /** Without numbers: two inputs of one outcome go the same way, as far as can be told. */
  readonly name: string
  /** Without the field's place too: what the kept corpus has one input of each. */
  readonly kind: string
  /** Set where the error is not declared. */
  readonly fault: Error | null
}

/** Runs a target on an input. Never throws. */
export function outcomeOf(target: Target, input: Buffer): Outcome | Promise<Outcome> {
  try {
    const result = target.run(input)
    if (typeof result === 'string') return outcomeOfWord(result)
    return result.then(outcomeOfWord, (error: unknown) => outcomeOfError(target, error))
  } catch (error) {
    return outcomeOfError(target, error)
  }
}

function outcomeOfWord(word: string): Outcome {
  return { name: word, kind: (word.split('|')[0] as string).trim(), fault: null }
}

function outcomeOfError(target: Target, thrown: unknown): Outcome {
  const error = thrown instanceof Error ? thrown : new Error(`not an error: ${String(thrown)}`)
  const reason = (error as { reason?: unknown }).reason
  const [name, kind] = [error.message, typeof reason === 'string' ? reason : error.message]
  return {
    name: plain(`${error.name}: ${name}`),
    kind: plain(`${error.name}: ${kind}`),
    fault: target.isDeclared(error) ? null : error,
  }
}

/** Quoted words and numbers are the input's own, and would make every outcome a new one. */
function plain(message: string): string {
  const short = message.length > 300 ? message.slice(0, 300) : message
  return short.replace(/"[^"]*"?|'[^']*'?/g, '…').replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, '#')
}
