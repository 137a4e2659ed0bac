const NEWLINE = 0x0a

/** Cuts bytes into lines of text; a chunk may hold many, and a line many chunks. */
export class LineSplitter {
  private readonly onLine: (line: string) => void
  /** The beginning of a line whose end has not come yet. */
  private pieces: Buffer[] = []

  constructor(onLine: (line: string) => void) {
    this.onLine = onLine
  }

  add(chunk: Buffer): void {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start)
      if (end < 0) break
      const last = chunk.subarray(start, end)
      start = end + 1
      const whole = this.pieces.length === 0 ? last : Buffer.concat([...this.pieces, last])
      this.pieces = []
      if (whole.length > 0) this.onLine(whole.toString('utf8'))
    }
    if (start < chunk.length) this.pieces.push(chunk.subarray(start))
  }
}
