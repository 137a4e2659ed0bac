import { setTimeout as pause } from 'node:timers/promises'

/** Far more than anything takes: a bound for tests that hang, never a measure of speed. */
export const WAIT_MS_MAX = 60_000
const LOOK_MS = 10

/** Polls, because what is waited for happens in other processes. Throws when it never happens. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  waitMsMax = WAIT_MS_MAX,
): Promise<Exclude<T, false | null | undefined>> {
  const endMs = Date.now() + waitMsMax
  for (;;) {
    const found = await look()
    if (found !== false && found !== null && found !== undefined) {
      return found as Exclude<T, false | null | undefined>
    }
    if (Date.now() > endMs) throw new Error(`waited in vain until ${what}`)
    await pause(LOOK_MS)
  }
}

export { pause }
