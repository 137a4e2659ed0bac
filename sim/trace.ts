import { createHash } from 'node:crypto'

/** How much of the end of a run is shown when it fails. */
const RECENT_LINES = 400

/**
 * Everything that happens in a run, line by line: virtual time, who, what. The same seed must give
 * the same lines, byte for byte, which the digest tells without keeping them.
 */
export class Trace {
  lineCount = 0
  private readonly hash = createHash('sha256')
  private readonly kept: string[] = []
  private readonly keepsAll: boolean
  private readonly nowMs: () => number

  constructor(nowMs: () => number, options: { keepsAll: boolean }) {
    this.nowMs = nowMs
    this.keepsAll = options.keepsAll
  }

  line(source: string, text: string): void {
    const line = `${this.nowMs().toFixed(3)} ${source} ${text}`
    this.hash.update(line)
    this.hash.update('\n')
    this.lineCount++
    this.kept.push(line)
    if (!this.keepsAll && this.kept.length >= 2 * RECENT_LINES) {
      this.kept.splice(0, this.kept.length - RECENT_LINES)
    }
  }

  /** Of all lines so far; nothing may be added afterwards. */
  digest(): string {
    return this.hash.digest('hex').slice(0, 16)
  }

  /** All lines where all are kept, else the last ones. */
  lines(): readonly string[] {
    return this.keepsAll ? this.kept : this.kept.slice(-RECENT_LINES)
  }
}
