import { jest } from '@jest/globals'

/**
 * Real clients on a machine that somebody else uses too: once in a while a client gives up for good
 * where it usually would not. One more try, and the first failure stays in the output for whoever
 * reads it; what fails twice fails. Not for tests of what is kept: a record that is lost or doubled
 * once in a hundred runs would pass at the second try (but see kubernetes/lib/losses.ts).
 */
export function allowOneRetry(): void {
  jest.retryTimes(1, { logErrorsBeforeRetry: true })
}
