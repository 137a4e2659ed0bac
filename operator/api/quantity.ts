/**
 * Kubernetes quantities: `60M`, `800m`, `1.5Gi`, `2e3`. The grammar is the one of
 * k8s.io/apimachinery/pkg/api/resource. Parsing is exact (integers, not floats), because a target
 * that is a thousandth off would make the local autoscaler disagree with the real one at an edge.
 */
const GRAMMAR = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$/

const POWER_OF_TEN = new Map([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
])
const POWER_OF_1024 = new Map([
  ['Ki', 1],
  ['Mi', 2],
  ['Gi', 3],
  ['Ti', 4],
  ['Pi', 5],
  ['Ei', 6],
])
/** Kubernetes caps what it can hold near 2^63; an exponent beyond this is a typing error. */
const EXPONENT_MAX = 18

/** A quantity as YAML gives it: text, or a plain number. */
export type Quantity = string | number

/**
 * Thousandths of the quantity, rounded up like `Quantity.MilliValue`, or null if it is none, is
 * negative, or is too large to be exact.
 */
export function quantityMilli(quantity: Quantity): number | null {
  const match = GRAMMAR.exec(String(quantity))
  if (match === null) return null
  const [, sign, digits = '', exponent, suffix = ''] = match
  const [whole = '', fraction = ''] = digits.split('.')
  const exponentTen = exponent === undefined ? 0 : Number(exponent.slice(1))
  if (Math.abs(exponentTen) > EXPONENT_MAX) return null
  const mantissa = BigInt(whole + fraction) * 1024n ** BigInt(POWER_OF_1024.get(suffix) ?? 0)
  const shift = exponentTen + (POWER_OF_TEN.get(suffix) ?? 0) - fraction.length + 3
  const milli = shift >= 0 ? mantissa * 10n ** BigInt(shift) : ceilShift(mantissa, -shift)
  if (sign === '-' && milli !== 0n) return null
  return milli > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(milli)
}

/** `value` / 10^`shift`, rounded up. */
function ceilShift(value: bigint, shift: number): bigint {
  const divisor = 10n ** BigInt(shift)
  return (value + divisor - 1n) / divisor
}
