import { describe, expect, test } from '@jest/globals'
import { allApis } from './api-keys.ts'
import { isValidVersion } from './codec.ts'
import { errorCode } from './error-codes.ts'
import {
  type Definition,
  type DefinitionField,
  readDefinition,
  runJava,
} from './kafka-reference.ts'
import * as groupRecords from './messages/group-records.ts'
import { fieldsOf, type Fields, isFlexible, type Message, type Shape } from './schema.ts'

/** Fetching Kafka's library takes a while the first time. */
const FETCH_MS_MAX = 300_000

function inRange(range: string | undefined, version: number): boolean {
  if (range === undefined || range === 'none') return false
  const [, first, plus, last] = /^(\d+)(?:(\+)|-(\d+))?$/.exec(range) ?? []
  expect(first).toBeDefined()
  return Number(first) <= version && (plus === '+' || version <= Number(last ?? first))
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}

/** One line per field, in wire order: what a version of a message looks like. */
interface Line {
  readonly path: string
  readonly type: string
  readonly nullable: boolean
  readonly tag: number | null
  readonly default: string
}

type StructsByName = ReadonlyMap<string, readonly DefinitionField[]>

function kafkaDefault(field: DefinitionField, isStruct: boolean): string {
  const given = field.default === undefined ? '' : String(field.default)
  if (given === 'null') return 'null'
  if (field.type.startsWith('[]')) return '[]'
  if (isStruct) return 'struct'
  switch (field.type) {
    case 'string':
      return JSON.stringify(given)
    case 'bool':
      return given === '' ? 'false' : given
    case 'uuid':
      return '"AAAAAAAAAAAAAAAAAAAAAA"'
    case 'records':
      return 'null'
    case 'bytes':
      return '[]'
    default:
      return String(BigInt(given === '' ? 0 : given))
  }
}

function kafkaLines(
  fields: readonly DefinitionField[],
  structs: StructsByName,
  version: number,
  prefix: string,
): Line[] {
  return fields.flatMap((field) => {
    if (!inRange(field.versions, version)) return []
    expect(field.flexibleVersions).toBeUndefined()
    const element = field.type.replace(/^\[\]/, '')
    const inner = field.fields ?? structs.get(element)
    const isArray = field.type.startsWith('[]')
    const type = (isArray ? '[]' : '') + (inner ? 'struct' : element)
    const path = prefix + lowerFirst(field.name)
    const line = {
      path,
      type,
      nullable: inRange(field.nullableVersions, version),
      tag: inRange(field.taggedVersions, version) ? (field.tag ?? null) : null,
      default: kafkaDefault(field, inner !== undefined),
    }
    const nested = inner
      ? kafkaLines(inner, structs, version, `${path}${isArray ? '[]' : ''}.`)
      : []
    return [line, ...nested]
  })
}

function ourDefault(shape: Shape, value: unknown): string {
  if (value === null) return 'null'
  if (shape.kind === 'struct') return 'struct'
  if (value instanceof Uint8Array) return '[]'
  if (value === Number.POSITIVE_INFINITY) return String(2n ** 63n - 1n)
  return JSON.stringify(value)
}

function typeName(shape: Shape): string {
  if (shape.kind === 'array') return `[]${typeName(shape.element)}`
  return shape.kind === 'int64OrMax' ? 'int64' : shape.kind
}

function ourLines(fields: Fields, version: number, prefix: string): Line[] {
  return fieldsOf(fields).flatMap((info) => {
    if (version < info.from || version > info.to) return []
    const { shape, tag } = info
    const inner = shape.kind === 'nullable' ? shape.inner : shape
    const path = prefix + info.name
    const line = {
      path,
      type: typeName(inner),
      nullable: shape.kind === 'nullable' && version >= shape.from,
      tag,
      default: ourDefault(inner, info.default),
    }
    const element = inner.kind === 'array' ? inner.element : inner
    const innerPrefix = `${path}${inner.kind === 'array' ? '[]' : ''}.`
    const nested = element.kind === 'struct' ? ourLines(element.fields, version, innerPrefix) : []
    return [line, ...nested]
  })
}

function versionsOf(table: Message): number[] {
  const [first, last] = table.versions
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

function structsOf(definition: Definition): StructsByName {
  const structs = new Map((definition.commonStructs ?? []).map((each) => [each.name, each.fields]))
  const visit = (fields: readonly DefinitionField[]): void => {
    for (const field of fields) {
      if (!field.fields) continue
      structs.set(field.type.replace(/^\[\]/, ''), field.fields)
      visit(field.fields)
    }
  }
  visit(definition.fields)
  return structs
}

const RECORDS = Object.values(groupRecords) as unknown as Message[]
const tables = [...allApis.flatMap((api) => [api.request, api.response]), ...RECORDS]

describe('the tables are those of Kafka', () => {
  test.each(tables.map((table) => [table.name, table] as const))(
    '%s',
    async (name, table) => {
      const definition = await readDefinition(name)
      expect(table.key).toBe(definition.apiKey)
      const structs = structsOf(definition)
      for (let version = 0; version <= table.versions[1] + 1; version++) {
        const valid = inRange(definition.validVersions, version)
        expect({ version, valid: isValidVersion(table, version) }).toEqual({ version, valid })
      }
      for (const version of versionsOf(table)) {
        expect({
          version,
          flexible: isFlexible(table, version),
          lines: ourLines(table.fields, version, ''),
        }).toEqual({
          version,
          flexible: inRange(definition.flexibleVersions, version),
          lines: kafkaLines(definition.fields, structs, version, ''),
        })
      }
    },
    FETCH_MS_MAX,
  )
})

test('a request has the versions of its response', () => {
  for (const api of allApis) {
    expect(api.response.versions).toEqual(api.request.versions)
    expect(api.request.name).toBe(`${api.name}Request`)
    expect(api.response.name).toBe(`${api.name}Response`)
  }
})

test(
  'the error codes are those of Kafka',
  async () => {
    const lines = (await runJava('PrintErrors.java')).trim().split('\n')
    const theirs = lines.map((line) => line.split(' ')).map(([name, code]) => [name, Number(code)])
    expect(Object.fromEntries(theirs)).toEqual(errorCode)
  },
  FETCH_MS_MAX,
)
