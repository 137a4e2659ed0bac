import { assert } from '../../base/assert.ts'
import { type FieldInfo, fieldsOf, type Fields, type Pieces, type Shape } from './schema.ts'
import { Writer } from './writer.ts'

/** Writes one value. Composed once per message and version. */
export type Encode = (writer: Writer, value: unknown) => void

interface Context {
  readonly version: number
  readonly flexible: boolean
}

type Struct = Readonly<Record<string, unknown>>

function inVersion(info: FieldInfo, version: number): boolean {
  return info.from <= version && version <= info.to
}

function stringEncoder(flexible: boolean): Encode {
  return (writer, value) => writer.string(value as string, flexible)
}

function bytesEncoder(flexible: boolean): Encode {
  return (writer, value) => writer.bytes(value as Pieces, flexible)
}

function arrayEncoder(element: Shape, context: Context): Encode {
  const { flexible } = context
  const encodeElement = valueEncoder(element, context)
  return (writer, value) => {
    const values = value as readonly unknown[]
    if (flexible) writer.uvarint(values.length + 1)
    else writer.int32(values.length)
    for (let index = 0; index < values.length; index++) encodeElement(writer, values[index])
  }
}

interface TagEncoder {
  readonly tag: number
  readonly name: string
  readonly encode: Encode
  readonly isDefault: (value: unknown) => boolean
}

/** A test for a tagged field's default. What is the default must be left out (KIP-482). */
function defaultTest(shape: Shape, defaultValue: unknown): (value: unknown) => boolean {
  if (defaultValue === null) return (value) => value === null || value === undefined
  switch (shape.kind) {
    case 'nullable':
      return defaultTest(shape.inner, defaultValue)
    case 'array':
    case 'bytes':
    case 'records':
      return (value) => value === undefined || (value !== null && (value as Pieces).length === 0)
    case 'struct': {
      const tests = fieldsOf(shape.fields).map(({ name, shape: inner, default: zero }) => ({
        name,
        isDefault: defaultTest(inner, zero),
      }))
      return (value) =>
        value === undefined ||
        value === defaultValue ||
        (value !== null && tests.every((test) => test.isDefault((value as Struct)[test.name])))
    }
    default:
      return (value) => value === undefined || value === defaultValue
  }
}

const TAG_BUFFER_BYTES = 64

/** Writes the tagged fields at the end of a flexible struct, in the order of their tags. */
function encodeTags(writer: Writer, value: Struct, tags: readonly TagEncoder[]): void {
  let count = 0
  for (const tag of tags) if (!tag.isDefault(value[tag.name])) count++
  writer.uvarint(count)
  if (count === 0) return
  for (const { tag, name, encode, isDefault } of tags) {
    const content = value[name]
    if (isDefault(content)) continue
    // The length comes first and is a varint, so the content is written apart.
    const inner = new Writer(TAG_BUFFER_BYTES)
    encode(inner, content)
    const { chunks, totalBytes } = inner.finish()
    writer.uvarint(tag)
    writer.uvarint(totalBytes)
    for (const chunk of chunks) writer.raw(chunk)
  }
}

function structEncoder(fields: Fields, context: Context): Encode {
  const infos = fieldsOf(fields).filter((info) => inVersion(info, context.version))
  const plain = infos.filter((info) => info.tag === null)
  const names = plain.map((info) => info.name)
  const encoders = plain.map((info) => valueEncoder(info.shape, context))
  const tags = infos
    .filter((info) => info.tag !== null)
    .sort((a, b) => a.tag! - b.tag!)
    .map(
      (info): TagEncoder => ({
        tag: info.tag!,
        name: info.name,
        encode: valueEncoder(info.shape, context),
        isDefault: defaultTest(info.shape, info.default),
      }),
    )
  const { flexible } = context
  const count = names.length

  function leftOut(index: number): unknown {
    const info = plain[index]!
    assert(info.optional, `the field ${info.name} has a value`)
    return info.default
  }
  return (writer, value) => {
    const struct = value as Struct
    for (let index = 0; index < count; index++) {
      const content = struct[names[index]!]
      encoders[index]!(writer, content === undefined ? leftOut(index) : content)
    }
    if (flexible) encodeTags(writer, struct, tags)
  }
}

function nullWriter(kind: Shape['kind'], flexible: boolean): (writer: Writer) => void {
  if (kind === 'struct') return (writer) => writer.int8(-1)
  if (flexible) return (writer) => writer.uvarint(0)
  if (kind === 'string') return (writer) => writer.int16(-1)
  return (writer) => writer.int32(-1)
}

function nullableEncoder(inner: Shape, from: number, context: Context): Encode {
  const allowsNull = context.version >= from
  const encode = valueEncoder(inner, context)
  const writeNull = nullWriter(inner.kind, context.flexible)
  const isStruct = inner.kind === 'struct'
  return (writer, value) => {
    if (value === null) {
      assert(allowsNull, 'null is allowed in this version')
      return writeNull(writer)
    }
    if (isStruct && allowsNull) writer.int8(1)
    encode(writer, value)
  }
}

/** Composes the encoder of a shape in one version. */
export function valueEncoder(shape: Shape, context: Context): Encode {
  switch (shape.kind) {
    case 'string':
      return stringEncoder(context.flexible)
    case 'bytes':
    case 'records':
      return bytesEncoder(context.flexible)
    case 'array':
      return arrayEncoder(shape.element, context)
    case 'struct':
      return structEncoder(shape.fields, context)
    case 'nullable':
      return nullableEncoder(shape.inner, shape.from, context)
    default: {
      // Ends at the scalars: every other kind is handled above.
      const kind = shape.kind
      return (writer, value) => writer[kind](value as never)
    }
  }
}
