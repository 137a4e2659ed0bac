import type { LogLevel } from '../../base/log.ts'
import type { Broker } from './context.ts'
import { type Alteration, invalid, OPERATION, type Outcome, type Wish } from './config-wish.ts'
import { whyNotThisBroker } from './config-resource.ts'

/** Kafka's name of the logger that all others fall back to. Here it is the only one. */
export const ROOT_LOGGER = 'root'

/** Kafka's levels; those that there are not here become the nearest one that tells no less. */
const LEVELS: ReadonlyMap<string, LogLevel> = new Map([
  ['TRACE', 'debug'],
  ['DEBUG', 'debug'],
  ['INFO', 'info'],
  ['WARN', 'warn'],
  ['ERROR', 'error'],
  ['FATAL', 'error'],
])

/**
 * Changes what a broker logs (KIP-412), at once and until it ends: levels are not metadata, and no
 * other broker hears of them.
 */
export function changeLogLevels(broker: Broker, wish: Wish, validateOnly: boolean): Outcome {
  const message = whyNotThisBroker(broker, wish.resourceName)
  if (message !== null) return invalid(message)
  for (const alteration of wish.configs) {
    const refusal = whyNotLevel(alteration)
    if (refusal !== null) return refusal
  }
  if (validateOnly) return { error: null, message: null }
  for (const { value } of wish.configs) {
    const level = LEVELS.get(value ?? '')
    if (level !== undefined) broker.logLevel.current = level
  }
  return { error: null, message: null }
}

function whyNotLevel({ name, configOperation, value }: Alteration): Outcome | null {
  if (configOperation !== OPERATION.set && configOperation !== OPERATION.delete) {
    return invalid('The level of a logger is no list: it can be set, or deleted.')
  }
  if (name !== ROOT_LOGGER) {
    return { error: 'INVALID_CONFIG', message: `Logger ${name} does not exist!` }
  }
  if (configOperation === OPERATION.delete) {
    return invalid(`Removing the log level of the ${ROOT_LOGGER} logger is not allowed`)
  }
  if (LEVELS.has(value ?? '')) return null
  const valid = [...LEVELS.keys()].sort().join(', ')
  const message = `Cannot set the log level of ${name} to ${value}. Valid log levels are ${valid}`
  return { error: 'INVALID_CONFIG', message }
}
