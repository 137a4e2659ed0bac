import { RejectedProposal } from '../../metadata/errors.ts'
import type { ImageState } from '../../metadata/image.ts'
import type { ConfigScope, MetadataRecord } from '../../metadata/records.ts'
import { whyNotClientMetrics } from '../config/client-metrics-config.ts'
import { type ConfigDefinition, listOf } from '../config/config-definition.ts'
import { whyNotGroupConfigs } from '../config/group-config.ts'
import { whyNotTopicConfigs } from '../config/topic-config.ts'
import { codeOf, type Broker } from './context.ts'
import { definitionsOf, ownConfigs, RESOURCE, whyNotThisBroker } from './config-resource.ts'
import {
  type Alteration,
  invalid,
  OPERATION,
  OPERATION_NAMES,
  type Outcome,
  type Wish,
} from './config-wish.ts'
import { changeLogLevels } from './log-levels.ts'
import { changeMetadata } from './metadata-append.ts'
import { whyNotTopicName } from './topic-creation.ts'

/** The longest name or value that clients can be told; by appending a value could grow beyond. */
const LENGTH_MAX = 32_767

const DONE: Outcome = { error: null, message: null }

/**
 * Changes the configs of resources, each for itself: whole or not at all. Answers in the order of
 * the wishes, once all that is done is in the metadata log.
 */
export async function changeConfigs(
  broker: Broker,
  wishes: readonly Wish[],
  validateOnly: boolean,
): Promise<
  { errorCode: number; errorMessage: string | null; resourceType: number; resourceName: string }[]
> {
  const counts = new Map<string, number>()
  const keyOf = ({ resourceType, resourceName }: Wish) => `${resourceType} ${resourceName}`
  for (const each of wishes) counts.set(keyOf(each), (counts.get(keyOf(each)) ?? 0) + 1)
  const outcomes = wishes.map((wish): Promise<Outcome> | Outcome => {
    if (counts.get(keyOf(wish)) !== 1) return invalid('Each resource must appear at most once.')
    return whyNotWish(wish) ?? change(broker, wish, validateOnly)
  })
  const decided = await Promise.all(outcomes)
  return wishes.map(({ resourceType, resourceName }, at) => ({
    errorCode: codeOf(decided[at]?.error ?? null),
    errorMessage: decided[at]?.message ?? null,
    resourceType,
    resourceName,
  }))
}

/** What is wrong with the wish itself. */
function whyNotWish({ configs }: Wish): Outcome | null {
  if (new Set(configs.map(({ name }) => name)).size < configs.length) {
    return invalid('Error due to duplicate config keys')
  }
  const unknown = configs.find(({ configOperation }) => !OPERATION_NAMES[configOperation])
  if (unknown !== undefined) return invalid(`Unknown operation ${unknown.configOperation}`)
  const nulls = configs.filter(({ configOperation, value }) => {
    return configOperation !== OPERATION.delete && value === null
  })
  if (nulls.length === 0) return null
  return invalid(`Null value not supported for : ${nulls.map(({ name }) => name).join(', ')}`)
}

function change(broker: Broker, wish: Wish, validateOnly: boolean): Promise<Outcome> | Outcome {
  const { resourceType, resourceName: name } = wish
  switch (resourceType) {
    case RESOURCE.topic: {
      if (name === '') return invalid('Default topic resources are not allowed.')
      const message = whyNotTopicName(name)
      if (message !== null) return { error: 'INVALID_TOPIC_EXCEPTION', message }
      return store(broker, wish, validateOnly)
    }
    case RESOURCE.broker: {
      const message = name === '' ? null : whyNotThisBroker(broker, name)
      return message === null ? store(broker, wish, validateOnly) : invalid(message)
    }
    case RESOURCE.group:
      if (name === '') return invalid('Default group resources are not allowed.')
      return store(broker, wish, validateOnly)
    case RESOURCE.clientMetrics:
      if (name === '') return invalid("Subscription name can't be empty")
      return store(broker, wish, validateOnly)
    case RESOURCE.brokerLogger:
      if (!wish.replaces) return changeLogLevels(broker, wish, validateOnly)
      return invalid(`Unknown resource type ${resourceType}`)
    default:
      return invalid(`Unknown resource type ${resourceType}`)
  }
}

async function store(broker: Broker, wish: Wish, validateOnly: boolean): Promise<Outcome> {
  const changed = await changeMetadata(broker, (image) => {
    const records = recordsOf(broker, image, wish)
    return validateOnly ? null : records
  })
  return changed.error === null ? DONE : changed
}

const SCOPE: Readonly<Record<number, ConfigScope>> = {
  [RESOURCE.topic]: 'topic',
  [RESOURCE.broker]: 'broker',
  [RESOURCE.clientMetrics]: 'client-metrics',
  [RESOURCE.group]: 'group',
}

function recordsOf(broker: Broker, image: ImageState, wish: Wish): MetadataRecord[] {
  const { resourceType, resourceName: name, configs, replaces } = wish
  const own = ownConfigs(image, resourceType, name)
  if (own === null) {
    const message = `The topic '${name}' does not exist.`
    throw new RejectedProposal('UNKNOWN_TOPIC_OR_PARTITION', message)
  }
  const before = new Map(Object.entries(own))
  const definitions = definitionsOf(resourceType)
  const after = new Map(replaces ? [] : before)
  for (const alteration of configs) {
    const value = valueAfter(alteration, before.get(alteration.name), definitions(alteration.name))
    if (value === null) after.delete(alteration.name)
    else after.set(alteration.name, value)
  }
  refuseUnlessFit(broker, wish, Object.fromEntries(after))
  const keys = new Set([...configs.map(({ name: key }) => key), ...before.keys()])
  const scope = SCOPE[resourceType] as ConfigScope
  return [...keys].flatMap((key): MetadataRecord[] => {
    const value = after.get(key) ?? null
    return value === (before.get(key) ?? null) ? [] : [{ type: 'config', scope, name, key, value }]
  })
}

/** Throws what speaks against `after` being all that is set of the resource. */
function refuseUnlessFit(
  broker: Broker,
  { resourceType, resourceName, configs }: Wish,
  after: Readonly<Record<string, string>>,
): void {
  const error = resourceType === RESOURCE.broker ? 'INVALID_REQUEST' : 'INVALID_CONFIG'
  const refuse = (message: string): never => {
    throw new RejectedProposal(error, message)
  }
  for (const { name } of configs) {
    if (name.length > LENGTH_MAX) refuse(`A name has more than ${LENGTH_MAX} characters.`)
    if (name.includes('\n')) refuse(`There is a line break in the name ${name}`)
    if ((after[name] ?? '').length > LENGTH_MAX) {
      refuse(`The value of ${name} is beyond ${LENGTH_MAX} characters.`)
    }
  }
  const why = whyNot(broker, resourceType, resourceName, after)
  if (why !== null) refuse(why)
}

function whyNot(
  broker: Broker,
  resourceType: number,
  resourceName: string,
  after: Readonly<Record<string, string>>,
): string | null {
  switch (resourceType) {
    case RESOURCE.topic: {
      const values = Object.entries(after).map(([name, value]) => ({ name, value }))
      return whyNotTopicConfigs(broker.config, values)
    }
    case RESOURCE.broker:
      return broker.config.whyNotChange(after, resourceName !== '')
    case RESOURCE.group:
      return whyNotGroupConfigs(broker.config, after)
    default: {
      const refusal = whyNotClientMetrics(after)
      if (refusal?.isRequest) throw new RejectedProposal('INVALID_REQUEST', refusal.why)
      return refusal?.why ?? null
    }
  }
}

/** What a setting is after the alteration; null: no longer set. */
function valueAfter(
  { name, configOperation, value }: Alteration,
  before: string | undefined,
  definition: ConfigDefinition | undefined,
): string | null {
  if (configOperation === OPERATION.delete || value === null) return null
  if (configOperation === OPERATION.set) return value
  if (definition?.type !== 'list') {
    const operation = OPERATION_NAMES[configOperation]
    const message = `Can't ${operation} to key ${name} because its type is not LIST.`
    throw new RejectedProposal('INVALID_CONFIG', message)
  }
  const elements = listOf(before ?? definition.default ?? '')
  const named = listOf(value)
  if (configOperation === OPERATION.append) return [...new Set([...elements, ...named])].join(',')
  return elements.filter((element) => !named.includes(element)).join(',')
}
