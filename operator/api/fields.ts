import { z } from 'zod'

/**
 * An object that takes only the fields of `shape`. A misspelt field of a resource that is silently
 * ignored is a setting its author believes in, so it is an error that names what is allowed here.
 */
export function fields<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return undefined
      return `is not a field here; allowed: ${Object.keys(shape).join(', ')}`
    },
  })
}

/** A whole number from `least` to `most`, with words a person understands. */
export function wholeNumber(least: number, most: number): z.ZodNumber {
  const error = `must be a whole number from ${least} to ${most}`
  return z.number({ error }).int(error).min(least, error).max(most, error)
}
