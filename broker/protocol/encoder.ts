import { assert } from '../../base/assert.ts'
import {
  type FieldInfo,
  type Fields,
  fieldsOf,
  type FixedKind,
  type Pieces,
  type Shape,
} from './schema.ts'
import { Writer } from './writer.ts'

/** Writes one value. Composed once per message and version. */
export type Encode = (writer: Writer, value: unknown) => void

interface Context {
  readonly version: number
  readonly flexible: boolean
}

type Struct = Readonly<Record<string, unknown>>

const fixedEncoders: Readonly<Record<FixedKind, Encode>> = {
  bool: (writer, value) => writer.bool(value as boolean),
  int8: (writer, value) => writer.int8(value as number),
  int16: (writer, value) => writer.int16(value as number),
  uint16: (writer, value) => writer.uint16(value as number),
  int32: (writer, value) => writer.int32(value as number),
  int64: (writer, value) => writer.int64(value as number),
  int64OrMax: (writer, value) => writer.int64OrMax(value as number),
  float64: (writer, value) => writer.float64(value as number),
  uuid: (writer, value) => writer.uuid(value as string),
}

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
  for (const tag of tags) {
    const content = value[tag.name]
    if (content !== undefined && !tag.isDefault(content)) count++
  }
  writer.uvarint(count)
  if (count === 0) return
  for (const { tag, name, encode, isDefault } of tags) {
    const content = value[name]
    if (content === undefined || isDefault(content)) continue
    // The length comes first and is a varint, so the content is written apart.
    const inner = new Writer(TAG_BUFFER_BYTES)
    encode(inner, content)
    const { chunks, totalBytes } = inner.finish()
    writer.uvarint(tag)
    writer.uvarint(totalBytes)
    for (const chunk of chunks) writer.raw(chunk)
  }
}

/** Of a message for people so much is sent; with the three bytes of a character a string holds it. */
const MESSAGE_LENGTH_MAX = 10_000

/**
 * Messages quote what a client sent, which may be as long as a string can be: together they are
 * longer, and a broker that cannot write its refusal would end.
 */
function clipped(encode: Encode): Encode {
  return (writer, value) => {
    const isLong = typeof value === 'string' && value.length > MESSAGE_LENGTH_MAX
    encode(writer, isLong ? `${value.slice(0, MESSAGE_LENGTH_MAX)}…` : value)
  }
}

function fieldEncoder({ name, shape }: FieldInfo, context: Context): Encode {
  const encode = valueEncoder(shape, context)
  return /errorMessage$/i.test(name) ? clipped(encode) : encode
}

interface Step {
  readonly name: string
  readonly encode: Encode
  readonly info: FieldInfo
}

/** What to write for a field without a value. */
function leftOut(info: FieldInfo): unknown {
  assert(info.optional, `the field ${info.name} has a value`)
  return info.default
}

function structEncoder(fields: Fields, context: Context): Encode {
  const infos = fieldsOf(fields).filter((info) => inVersion(info, context.version))
  const steps: Step[] = []
  const tags: TagEncoder[] = []
  for (const info of infos) {
    const { name, tag, shape } = info
    const encode = fieldEncoder(info, context)
    if (tag === null) steps.push({ name, encode, info })
    else tags.push({ tag, name, encode, isDefault: defaultTest(shape, info.default) })
  }
  tags.sort((a, b) => a.tag - b.tag)
  const { flexible } = context
  return (writer, value) => {
    const struct = value as Struct
    for (const step of steps) {
      const content = struct[step.name]
      step.encode(writer, content === undefined ? leftOut(step.info) : content)
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
    default:
      return fixedEncoders[shape.kind]
  }
}
