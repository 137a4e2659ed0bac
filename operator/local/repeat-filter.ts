const QUIET_MS = 10_000
/** More different texts than this within one quiet time are not told apart any more. */
const TEXTS_MAX = 200

/** Lets the same text pass once in 10 s, so that a fault in a loop does not hide all else. */
export class RepeatFilter {
  private readonly lastMs = new Map<string, number>()

  passes(text: string, nowMs: number): boolean {
    const lastMs = this.lastMs.get(text)
    if (lastMs !== undefined && nowMs - lastMs < QUIET_MS) return false
    if (this.lastMs.size >= TEXTS_MAX) this.lastMs.clear()
    this.lastMs.set(text, nowMs)
    return true
  }
}
