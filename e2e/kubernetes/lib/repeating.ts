import { pause } from '../../lib/wait.ts'

/** Looks again and again, `everyMs` after the look before, until it is closed. */
export function repeating(everyMs: number, look: () => Promise<void>): { close(): Promise<void> } {
  let isClosed = false
  const looks = async (): Promise<void> => {
    while (!isClosed) {
      await look()
      await pause(everyMs)
    }
  }
  const done = looks()
  return {
    close: () => {
      isClosed = true
      return done
    },
  }
}
