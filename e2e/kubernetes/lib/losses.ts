import { afterAll } from '@jest/globals'
import { allowOneRetry } from '../../lib/retries.ts'

/** Acknowledged records that were not there, or were there twice; of all tries of all tests of a file. */
const losses: string[] = []

/** Remembers what was lost or doubled, and returns it. */
export function noteLosses(found: readonly string[]): readonly string[] {
  losses.push(...found)
  return found
}

/** As allowOneRetry, but a record that was lost or doubled fails the file, whatever a second try says. */
export function allowOneRetryWithoutLoss(): void {
  allowOneRetry()
  afterAll(() => {
    if (losses.length > 0) throw new Error(`records were lost or doubled: ${losses.join('; ')}`)
  })
}
