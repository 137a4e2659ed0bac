import { afterAll, jest } from '@jest/globals'

/** Acknowledged records that were not there, or were there twice; of all tries of all tests of a file. */
const losses: string[] = []

/** Remembers what was lost or doubled, and returns it. */
export function noteLosses(found: readonly string[]): readonly string[] {
  losses.push(...found)
  return found
}

/**
 * Everything shares two cores here, and once in a while a client complains where it usually does not:
 * one more try, and what failed first stays in the output for whoever reads it. Never where a record
 * was lost or doubled: that fails the file, whatever the second try says.
 */
export function allowOneRetryWithoutLoss(): void {
  jest.retryTimes(1, { logErrorsBeforeRetry: true })
  afterAll(() => {
    if (losses.length > 0) throw new Error(`records were lost or doubled: ${losses.join('; ')}`)
  })
}
