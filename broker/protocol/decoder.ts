import { DecodeError, type Reader } from './reader.ts'
import { type FieldInfo, fieldsOf, type Fields, type FixedKind, type Shape } from './schema.ts'

/** Reads one value. Composed once per message and version. */
export type Decode = (reader: Reader) => unknown

interface Context {
  readonly version: number
  readonly flexible: boolean
}

const fixedDecoders: Readonly<Record<FixedKind, Decode>> = {
  bool: (reader) => reader.bool(),
  int8: (reader) => reader.int8(),
  int16: (reader) => reader.int16(),
  uint16: (reader) => reader.uint16(),
  int32: (reader) => reader.int32(),
  int64: (reader) => reader.int64(),
  int64OrMax: (reader) => reader.int64OrMax(),
  float64: (reader) => reader.float64(),
  uuid: (reader) => reader.uuid(),
}

const fixedBytes: Readonly<Record<FixedKind, number>> = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  int64: 8,
  int64OrMax: 8,
  float64: 8,
  uuid: 16,
}

function inVersion(info: FieldInfo, version: number): boolean {
  return info.from <= version && version <= info.to
}

/** The fewest bytes a value can take; never 0, so that every element of an array costs something. */
function bytesMin(shape: Shape, context: Context): number {
  switch (shape.kind) {
    case 'nullable':
      return shape.inner.kind === 'struct' ? 1 : bytesMin(shape.inner, context)
    case 'string':
      return context.flexible ? 1 : 2
    case 'bytes':
    case 'records':
    case 'array':
      return context.flexible ? 1 : 4
    case 'struct': {
      let total = context.flexible ? 1 : 0
      for (const info of fieldsOf(shape.fields)) {
        if (info.tag === null && inVersion(info, context.version)) {
          total += bytesMin(info.shape, context)
        }
      }
      return Math.max(total, 1)
    }
    default:
      return fixedBytes[shape.kind]
  }
}

function nullRefused(): never {
  throw new DecodeError('is null, which this version does not allow')
}

function stringDecoder(flexible: boolean, allowsNull: boolean): Decode {
  return (reader) => {
    const length = flexible ? reader.compactLength() : reader.length16()
    if (length >= 0) return reader.string(length)
    return allowsNull ? null : nullRefused()
  }
}

function bytesDecoder(flexible: boolean, allowsNull: boolean): Decode {
  return (reader) => {
    const length = flexible ? reader.compactLength() : reader.length32()
    if (length >= 0) return reader.view(length)
    return allowsNull ? null : nullRefused()
  }
}

function arrayDecoder(element: Shape, context: Context, allowsNull: boolean): Decode {
  const { flexible } = context
  const decodeElement = valueDecoder(element, context)
  const elementBytesMin = bytesMin(element, context)
  return (reader) => {
    const count = flexible ? reader.compactLength() : reader.length32()
    if (count < 0) return allowsNull ? null : nullRefused()
    reader.reserveElements(count, elementBytesMin)
    const values = new Array<unknown>(count)
    let index = 0
    try {
      for (; index < count; index++) values[index] = decodeElement(reader)
    } catch (error) {
      throw error instanceof DecodeError ? error.within(`[${index}]`) : error
    }
    return values
  }
}

interface Step {
  readonly name: string
  readonly decode: Decode
}

type Struct = Record<string, unknown>

/** Reads the tagged fields at the end of a flexible struct; unknown ones are skipped. */
function decodeTags(reader: Reader, value: Struct, tags: readonly (Step | undefined)[]): void {
  const count = reader.uvarint()
  for (let index = 0; index < count; index++) {
    const tag = reader.uvarint()
    const length = reader.uvarint()
    const known = tags[tag]
    const start = reader.take(length)
    if (known === undefined) continue
    const outerEnd = reader.end
    reader.position = start
    reader.end = start + length
    try {
      value[known.name] = known.decode(reader)
      if (reader.position !== reader.end) throw new DecodeError('a tagged field has bytes left')
    } catch (error) {
      throw error instanceof DecodeError ? error.within(known.name) : error
    }
    reader.end = outerEnd
  }
}

/**
 * Every value of a struct begins as a copy of one template that has all fields of all versions, in
 * the order of the table: so all of them share one hidden class.
 */
function structDecoder(fields: Fields, context: Context): Decode {
  const infos = fieldsOf(fields)
  const template: Struct = {}
  for (const info of infos) template[info.name] = info.default
  const present = infos.filter((info) => inVersion(info, context.version))
  const plain = present.filter((info) => info.tag === null)
  const steps = plain.map(({ name, shape }) => ({ name, decode: valueDecoder(shape, context) }))
  const tags: Step[] = []
  for (const { name, tag, shape } of present) {
    if (tag !== null) tags[tag] = { name, decode: valueDecoder(shape, context) }
  }
  const { flexible } = context
  return (reader) => {
    const value: Struct = { ...template }
    let name = ''
    try {
      for (const step of steps) {
        name = step.name
        value[name] = step.decode(reader)
      }
    } catch (error) {
      throw error instanceof DecodeError ? error.within(name) : error
    }
    if (flexible) decodeTags(reader, value, tags)
    return value
  }
}

function nullableDecoder(inner: Shape, from: number, context: Context): Decode {
  const allowsNull = context.version >= from
  switch (inner.kind) {
    case 'string':
      return stringDecoder(context.flexible, allowsNull)
    case 'bytes':
    case 'records':
      return bytesDecoder(context.flexible, allowsNull)
    case 'array':
      return arrayDecoder(inner.element, context, allowsNull)
    default: {
      const decode = valueDecoder(inner, context)
      if (!allowsNull) return decode
      // A struct that may be null has a byte before it: negative for null.
      return (reader) => (reader.int8() < 0 ? null : decode(reader))
    }
  }
}

/** Composes the decoder of a shape in one version. */
export function valueDecoder(shape: Shape, context: Context): Decode {
  switch (shape.kind) {
    case 'string':
      return stringDecoder(context.flexible, false)
    case 'bytes':
    case 'records':
      return bytesDecoder(context.flexible, false)
    case 'array':
      return arrayDecoder(shape.element, context, false)
    case 'struct':
      return structDecoder(shape.fields, context)
    case 'nullable':
      return nullableDecoder(shape.inner, shape.from, context)
    default:
      return fixedDecoders[shape.kind]
  }
}
