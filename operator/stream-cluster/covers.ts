import { quantityMilli } from '../api/quantity.ts'
import { isObject, nameOf } from './resources/merge.ts'

/**
 * Whether `found` has everything that `wanted` has; it may have more, such as defaults and what
 * other programs add. Lists whose items have names are compared by these, others item by item.
 * Quantities are equal when they mean the same, because the API server writes them in its own way.
 */
export function covers(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) return Array.isArray(found) && coversList(found, wanted)
  if (isObject(wanted)) {
    if (!isObject(found)) return Object.keys(wanted).length === 0 && found === undefined
    return Object.entries(wanted).every(([key, value]) => covers(found[key], value))
  }
  return found === wanted || sameQuantity(found, wanted)
}

function coversList(found: readonly unknown[], wanted: readonly unknown[]): boolean {
  if (wanted.length > 0 && wanted.every((item) => nameOf(item) !== null)) {
    return wanted.every((item) =>
      found.some((each) => nameOf(each) === nameOf(item) && covers(each, item)),
    )
  }
  return found.length === wanted.length && wanted.every((item, i) => covers(found[i], item))
}

function sameQuantity(found: unknown, wanted: unknown): boolean {
  const left = milliOf(found)
  return left !== null && left === milliOf(wanted)
}

function milliOf(value: unknown): number | null {
  return typeof value === 'string' || typeof value === 'number' ? quantityMilli(value) : null
}

/** Whether two values are the same JSON, in whatever order their fields stand. */
export function sameJson(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) || Array.isArray(right)) {
    if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false
    return left.every((item, i) => sameJson(item, right[i]))
  }
  if (!isObject(left) || !isObject(right)) return left === right
  const keys = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...keys].every((key) => sameJson(left[key], right[key]))
}
