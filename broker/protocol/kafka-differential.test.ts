import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { allApis } from './api-keys.ts'
import { arbitraryMessage } from './testing/arbitrary.ts'
import { codecOf, encodeToBuffer, joined, Writer } from './codec.ts'
import { runJava } from './kafka-reference.ts'
import { encodeRequestHeader } from './request-header.ts'
import { encodeResponseHeader } from './response-header.ts'
import { type Fields, fieldsOf, type Message, type Shape } from './schema.ts'

/** Fetching Kafka's library takes a while the first time. */
const FETCH_MS_MAX = 300_000
const SAMPLES_PER_VERSION = 25

interface Echo {
  readonly hex: string
  readonly json: unknown
}

/** What Kafka makes of encoded messages: its own encoding, and the fields it found. */
async function echo(lines: readonly string[]): Promise<Echo[]> {
  const output = (await runJava('KafkaEcho.java', `${lines.join('\n')}\n`)).trimEnd().split('\n')
  expect(output.length).toBe(lines.length)
  return output.map((line, index) => {
    const end = line.indexOf(' ')
    const hex = end < 0 ? line : line.slice(0, end)
    if (hex === 'error') throw new Error(`Kafka refuses ${lines[index]}: ${line}`)
    return { hex, json: JSON.parse(line.slice(end + 1)) }
  })
}

function kafkaJson(shape: Shape, value: unknown, version: number): unknown {
  if (value === null) return null
  switch (shape.kind) {
    case 'nullable':
      return kafkaJson(shape.inner, value, version)
    case 'array':
      return (value as unknown[]).map((element) => kafkaJson(shape.element, element, version))
    case 'struct':
      return kafkaStruct(shape.fields, value as Record<string, unknown>, version)
    case 'bytes':
      return (value as Buffer).toString('base64')
    case 'int64OrMax':
      return value === Number.POSITIVE_INFINITY ? Number(2n ** 63n - 1n) : value
    default:
      // JSON has no negative zero, and neither do Kafka's integers.
      return value === 0 ? 0 : value
  }
}

/** A struct as Kafka's JSON converter prints it: records only as their size, no defaults in tags. */
function kafkaStruct(
  fields: Fields,
  value: Readonly<Record<string, unknown>>,
  version: number,
): Record<string, unknown> {
  const json: Record<string, unknown> = {}
  for (const info of fieldsOf(fields)) {
    if (version < info.from || version > info.to) continue
    const content = value[info.name]
    const inner = info.shape.kind === 'nullable' ? info.shape.inner : info.shape
    if (inner.kind === 'records' && content !== null) {
      json[`${info.name}SizeInBytes`] = (content as Buffer).length
      continue
    }
    const printed = kafkaJson(info.shape, content, version)
    const standard = kafkaJson(info.shape, info.default, version)
    if (info.tag !== null && JSON.stringify(printed) === JSON.stringify(standard)) continue
    json[info.name] = printed
  }
  return json
}

function samplesOf(table: Message): { version: number; value: Record<string, unknown> }[] {
  const samples = []
  for (let version = table.versions[0]; version <= table.versions[1]; version++) {
    // A fixed seed: the same run for everybody; codec.property.test.ts draws anew each time.
    const options = { numRuns: SAMPLES_PER_VERSION, seed: table.key * 100 + version }
    const values = fc.sample(arbitraryMessage(table, version), options)
    for (const value of values) samples.push({ version, value })
  }
  return samples
}

describe('Kafka reads what we write, and writes it alike', () => {
  const tables = allApis.flatMap((api) => [api.request, api.response])
  test(
    'every version of every message',
    async () => {
      const samples = tables.flatMap((table) =>
        samplesOf(table).map((sample) => ({ ...sample, table })),
      )
      const hexes = samples.map(({ table, version, value }) =>
        encodeToBuffer(table, version, value).toString('hex'),
      )
      const lines = samples.map((each, i) => `${each.table.name} ${each.version} ${hexes[i]}`)
      const echoes = await echo(lines)
      for (const [index, { table, version, value }] of samples.entries()) {
        const ours = { hex: hexes[index], json: kafkaStruct(table.fields, value, version) }
        expect({ name: table.name, version, ...echoes[index] }).toEqual({
          name: table.name,
          version,
          ...ours,
        })
        const decoded = codecOf(table, version).decode(Buffer.from(ours.hex ?? '', 'hex'))
        expect(encodeToBuffer(table, version, decoded).toString('hex')).toBe(ours.hex)
      }
    },
    FETCH_MS_MAX,
  )

  test(
    'headers',
    async () => {
      const header = { apiKey: 3, apiVersion: 12, correlationId: 77 }
      const lines: string[] = []
      for (const clientId of ['a client', 'ä', '', null]) {
        for (const version of [1, 2] as const) {
          const writer = new Writer()
          encodeRequestHeader(writer, version, { ...header, clientId })
          lines.push(`RequestHeader ${version} ${joined(writer.finish()).toString('hex')}`)
        }
      }
      for (const version of [0, 1] as const) {
        const writer = new Writer()
        encodeResponseHeader(writer, version, 77)
        lines.push(`ResponseHeader ${version} ${joined(writer.finish()).toString('hex')}`)
      }
      const echoes = await echo(lines)
      expect(echoes.map((each) => each.hex)).toEqual(lines.map((line) => line.split(' ')[2]))
      expect(echoes[0]?.json).toEqual({
        requestApiKey: 3,
        requestApiVersion: 12,
        correlationId: 77,
        clientId: 'a client',
      })
    },
    FETCH_MS_MAX,
  )
})
