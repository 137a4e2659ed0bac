import { assert } from '../../base/assert.ts'
import { type Decode, valueDecoder } from './decoder.ts'
import { type Encode, valueEncoder } from './encoder.ts'
import { Reader } from './reader.ts'
import { type Fields, isFlexible, type Message, type StructIn, type StructOut } from './schema.ts'
import { type Encoded, Writer } from './writer.ts'

export { DecodeError, ELEMENTS_MAX, Reader } from './reader.ts'
export { type Encoded, Writer } from './writer.ts'

/** Decodes and encodes one version of a message. `Out` and `In` are what schema.ts infers. */
export interface Codec<Out, In> {
  /**
   * Reads the message that begins at `position` and ends before `end` (default: the buffer's).
   * Bytes after the message are not looked at, as in Kafka. Fields of bytes are views of `buffer`.
   * Throws {@link DecodeError} for anything malformed.
   */
  decode(buffer: Buffer, position?: number, end?: number): Out
  /** Reads the message where `reader` stands, and moves it on. */
  decodeFrom(reader: Reader): Out
  encodeTo(writer: Writer, value: In): void
  /** The message in pieces; larger pieces of bytes are the caller's own, not copies. */
  encode(value: In): Encoded
}

function composeCodec<Out, In>(table: Message, version: number): Codec<Out, In> {
  const context = { version, flexible: isFlexible(table, version) }
  const shape = { kind: 'struct', fields: table.fields } as const
  const decode: Decode = valueDecoder(shape, context)
  const encode: Encode = valueEncoder(shape, context)
  return {
    decode: (buffer, position, end) => decode(new Reader(buffer, position, end)) as Out,
    decodeFrom: (reader) => decode(reader) as Out,
    encodeTo: (writer, value) => encode(writer, value),
    encode(value) {
      const writer = new Writer()
      encode(writer, value)
      return writer.finish()
    },
  }
}

type AnyCodec = Codec<unknown, unknown>
const codecs = new WeakMap<Message, (AnyCodec | undefined)[]>()

/** Whether `version` of the message exists. */
export function isValidVersion(table: Message, version: number): boolean {
  return table.versions[0] <= version && version <= table.versions[1]
}

/** The codec of a message in one version, composed at its first use. */
export function codecOf<F extends Fields>(
  table: Message<F>,
  version: number,
): Codec<StructOut<F>, StructIn<F>> {
  let versions = codecs.get(table)
  if (versions === undefined) {
    versions = []
    codecs.set(table, versions)
  }
  const known = versions[version]
  if (known !== undefined) return known as Codec<StructOut<F>, StructIn<F>>
  assert(isValidVersion(table, version), `${table.name} has no version ${version}`)
  const codec = composeCodec<StructOut<F>, StructIn<F>>(table, version)
  versions[version] = codec as AnyCodec
  return codec
}

/** All of an encoded message in one buffer. Copies: for tests and small messages. */
export function encodeToBuffer<F extends Fields>(
  table: Message<F>,
  version: number,
  value: StructIn<F>,
): Buffer {
  return joined(codecOf(table, version).encode(value))
}

/** The pieces as one buffer. */
export function joined(encoded: Encoded): Buffer {
  return Buffer.concat(encoded.chunks, encoded.totalBytes)
}
