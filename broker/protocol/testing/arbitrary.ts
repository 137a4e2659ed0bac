/** Values of any message for property tests: whatever a version can carry. */
import fc from 'fast-check'
import { type FieldInfo, type Fields, fieldsOf, type Message, type Shape } from '../schema.ts'

type Struct = Record<string, unknown>
type Arbitrary = fc.Arbitrary<unknown>

const int64 = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 300 }))
const text = fc.string({ unit: 'grapheme', maxLength: 80 })
const someBytes = fc.uint8Array({ maxLength: 600 }).map((part) => Buffer.from(part))

function arbitraryScalar(kind: Shape['kind']): Arbitrary {
  switch (kind) {
    case 'bool':
      return fc.boolean()
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f })
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff })
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff })
    case 'int32':
      return fc.integer()
    case 'int64':
      return int64
    case 'int64OrMax':
      return fc.oneof(int64, fc.constant(Number.POSITIVE_INFINITY))
    case 'float64':
      return fc.double({ noNaN: true })
    case 'uuid':
      return fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((part) => Buffer.from(part).toString('base64url'))
    case 'string':
      return text
    default:
      return someBytes
  }
}

function arbitraryValue(shape: Shape, version: number): Arbitrary {
  switch (shape.kind) {
    case 'array':
      return fc.array(arbitraryValue(shape.element, version), { maxLength: 3 })
    case 'struct':
      return arbitraryStruct(shape.fields, version)
    case 'nullable': {
      const inner = arbitraryValue(shape.inner, version)
      return version >= shape.from ? fc.option(inner) : inner
    }
    default:
      return arbitraryScalar(shape.kind)
  }
}

function arbitraryField(info: FieldInfo, version: number): Arbitrary {
  // What a version cannot carry comes back as the default.
  if (version < info.from || version > info.to) return fc.constant(info.default)
  const value = arbitraryValue(info.shape, version)
  return info.tag === null ? value : fc.oneof(fc.constant(info.default), value)
}

function arbitraryStruct(fields: Fields, version: number): fc.Arbitrary<Struct> {
  const entries = fieldsOf(fields).map((info) => [info.name, arbitraryField(info, version)])
  return fc.record(Object.fromEntries(entries) as Record<string, Arbitrary>, {
    noNullPrototype: true,
  })
}

/** Messages of one version, as decoding gives them. */
export function arbitraryMessage(table: Message, version: number): fc.Arbitrary<Struct> {
  return arbitraryStruct(table.fields, version)
}
