/** Kafka's types of config values. */
export type ConfigType =
  | 'boolean'
  | 'string'
  | 'int'
  | 'short'
  | 'long'
  | 'double'
  | 'list'
  | 'class'
  | 'password'

/** What a value must be beside well-formed. */
export interface ConfigRule {
  readonly min?: number
  readonly max?: number
  /** A value that is allowed outside of the range. */
  readonly or?: number
  /** For a list: each of its elements. */
  readonly oneOf?: readonly string[]
  /** `partition:broker` pairs, or `*`. */
  readonly throttledReplicas?: true
  /** `earliest`, `latest`, or `by_duration:` with a duration of ISO 8601. */
  readonly shareReset?: true
}

export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  /** Null: there is none. */
  readonly default: string | null
  readonly rule: ConfigRule
}

/** The whole numbers that Java's types hold. A long beyond 2^53 is compared as a double, as there. */
const RANGES: Partial<Record<ConfigType, { min: bigint; max: bigint }>> = {
  short: { min: -(2n ** 15n), max: 2n ** 15n - 1n },
  int: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  long: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
}

const WHOLE_NUMBER = /^[+-]?[0-9]+$/
const DECIMAL_NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/
/** Days, hours, minutes and seconds that are not negative, as Java's Duration reads them. */
const DURATION =
  /^\+?P(?=\+?[\dT])(\+?\d+D)?(T(?=\+?\d)(\+?\d+H)?(\+?\d+M)?(\+?\d+([.,]\d{0,9})?S)?)?$/i
const THROTTLED_REPLICA = /^([0-9]+:[0-9]+)?$/

/** The elements of a list's value. */
export function listOf(value: string): string[] {
  const trimmed = value.trim()
  return trimmed === '' ? [] : trimmed.split(/\s*,\s*/)
}

/**
 * Why `value` cannot be what `definition` describes, in the words that Kafka's users know from it,
 * or null.
 */
export function whyNotValue(definition: ConfigDefinition, value: string): string | null {
  const why = whyNotOfType(definition, value.trim()) ?? whyNotByRule(definition, value.trim())
  return why === null ? null : `Invalid value ${value} for configuration ${definition.name}: ${why}`
}

function whyNotOfType({ type }: ConfigDefinition, value: string): string | null {
  switch (type) {
    case 'boolean':
      if (/^(true|false)$/i.test(value)) return null
      return 'Expected value to be either true or false'
    case 'double':
      return DECIMAL_NUMBER.test(value) ? null : 'Not a number of type DOUBLE'
    case 'short':
    case 'int':
    case 'long': {
      const range = RANGES[type] as { min: bigint; max: bigint }
      const number = WHOLE_NUMBER.test(value) ? BigInt(value.replace(/^\+/, '')) : null
      if (number !== null && number >= range.min && number <= range.max) return null
      return `Not a number of type ${type.toUpperCase()}`
    }
    default:
      return null
  }
}

function whyNotByRule({ name, type, rule }: ConfigDefinition, value: string): string | null {
  const { min, max, or, oneOf } = rule
  const number = Number(value)
  if (or === undefined || number !== or) {
    if (min !== undefined && number < min) return `Value must be at least ${min}`
    if (max !== undefined && number > max) return `Value must be no more than ${max}`
  }
  const elements = type === 'list' ? listOf(value) : [value]
  if (oneOf !== undefined && elements.some((element) => !oneOf.includes(element))) {
    return `String must be one of: ${oneOf.join(', ')}`
  }
  if (rule.shareReset && !isShareReset(value)) {
    return 'Expected earliest, latest or by_duration:PnDTnHnMn.nS'
  }
  if (rule.throttledReplicas && value !== '*') {
    if (elements.every((element) => THROTTLED_REPLICA.test(element))) return null
    return `${name} must be '*' or a list like [partitionId]:[brokerId],[partitionId]:[brokerId]`
  }
  return null
}

function isShareReset(value: string): boolean {
  const [strategy = '', duration] = value.split(/:(.*)/s)
  if (duration === undefined) return /^(earliest|latest)$/.test(strategy)
  return strategy === 'by_duration' && DURATION.test(duration)
}

/** A value as Kafka would show it, had it read and written it. It must be valid. */
export function shownValue({ type, rule }: ConfigDefinition, value: string): string {
  const trimmed = value.trim()
  switch (type) {
    case 'boolean':
      return trimmed.toLowerCase()
    case 'short':
    case 'int':
    case 'long':
      return String(BigInt(trimmed.replace(/^\+/, '')))
    case 'double':
      return Number.isInteger(Number(trimmed)) ? `${Number(trimmed)}.0` : String(Number(trimmed))
    case 'list':
      // Kafka drops what stands twice, where it knows what may stand there at all.
      return (rule.oneOf ? [...new Set(listOf(trimmed))] : listOf(trimmed)).join(',')
    default:
      return trimmed
  }
}
