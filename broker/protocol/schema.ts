/**
 * Kafka's messages as tables. A table says once which fields a message has in which versions;
 * codec.ts derives decoders and encoders from it, and the types below derive the TypeScript types.
 * Names, versions, tags and defaults are Kafka's (field names with a small first letter), held
 * against Kafka's own definitions by kafka-definitions.test.ts.
 *
 * Kafka refuses to encode a non-default value that the version cannot carry, unless the field is
 * "ignorable"; here such values are always dropped, because a broker encodes only responses.
 */

export type ScalarKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'int64OrMax'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'

/** The kinds that take the same number of bytes in every value. */
export type FixedKind = Exclude<ScalarKind, 'string' | 'bytes' | 'records'>

/** What a value looks like on the wire. `nullable.from` is the first version that allows null. */
export type Shape =
  | { readonly kind: ScalarKind }
  | { readonly kind: 'array'; readonly element: Shape }
  | { readonly kind: 'struct'; readonly fields: Fields }
  | { readonly kind: 'nullable'; readonly inner: Shape; readonly from: number }

/** Carries types only; never there at run time. Out: what decoding gives. In: what encoding takes. */
interface Typed<Out, In> {
  readonly out?: Out
  readonly in?: In
}

export type Type<Out, In = Out> = Shape & Typed<Out, In>

/** A field with more to say than its type. `to` is inclusive; `tag` null means: not tagged. */
export interface Field<Out, In = Out> extends Typed<Out, In> {
  readonly shape: Shape
  readonly from: number
  readonly to: number
  readonly tag: number | null
  readonly default: unknown
}

// biome-ignore lint/suspicious/noExplicitAny: a table's fields have any types, kept apart by name.
type AnyTyped = Typed<any, any>
export type Fields = Readonly<Record<string, AnyTyped & (Shape | Field<unknown>)>>

type OutOf<S> = S extends Typed<infer Out, unknown> ? Out : never
type InOf<S> = S extends { readonly in?: infer In } ? In : never

/** The value of a struct as decoded: every field is there. */
export type StructOut<F extends Fields> = { readonly [K in keyof F]: OutOf<F[K]> }

type OptionalNames<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly shape: Shape } ? K : never
}[keyof F]

/** The value of a struct to be encoded: fields made by `field` and `tagged` may be left out. */
export type StructIn<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalNames<F>>]: InOf<F[K]>
} & {
  readonly [K in OptionalNames<F>]?: InOf<F[K]> | undefined
}

/** Bytes to be encoded; a list of pieces is not concatenated. */
export type Pieces = Uint8Array | readonly Uint8Array[]

const scalar = <Out, In = Out>(kind: ScalarKind): Type<Out, In> => ({ kind })

export const bool = scalar<boolean>('bool')
export const int8 = scalar<number>('int8')
export const int16 = scalar<number>('int16')
/** @public Part of Kafka's types, for messages to come. */
export const uint16 = scalar<number>('uint16')
export const int32 = scalar<number>('int32')
/** A number; values beyond 2^53 are refused when decoding. */
export const int64 = scalar<number>('int64')
/** Like {@link int64}, but 2^63-1 ("no limit") is there, as `Infinity`. */
export const int64OrMax = scalar<number>('int64OrMax')
/** @public Part of Kafka's types, for messages to come. */
export const float64 = scalar<number>('float64')
/** 22 characters of base64url. */
export const uuid = scalar<string>('uuid')
export const string = scalar<string>('string')
/** Decoded as a view of the frame: whoever keeps it longer than the request copies it. @public */
export const bytes = scalar<Buffer, Pieces>('bytes')
/** Record batches; like {@link bytes}, a view. */
export const records = scalar<Buffer, Pieces>('records')

export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'

/** A nested struct, in place. */
export function struct<F extends Fields>(fields: F): Type<StructOut<F>, StructIn<F>> {
  return { kind: 'struct', fields }
}

/** An array of scalars or structs. A table of fields stands for the struct of them. */
export function array<Out, In>(element: Type<Out, In>): Type<readonly Out[], readonly In[]>
export function array<F extends Fields>(
  fields: F,
): Type<readonly StructOut<F>[], readonly StructIn<F>[]>
export function array(element: Shape | Fields): Shape {
  // A struct may have a field named `kind`, but the value of that is never a string.
  if (typeof element.kind === 'string') return { kind: 'array', element: element as Shape }
  return { kind: 'array', element: { kind: 'struct', fields: element as Fields } }
}

/** Null is allowed from version `from` on (default: in all). Before it, null is not encodable. */
export function nullable<Out, In>(
  type: Type<Out, In>,
  options?: { readonly from: number },
): Type<Out | null, In | null> {
  return { kind: 'nullable', inner: type as Shape, from: options?.from ?? 0 }
}

interface FieldOptions<Out> {
  /** First version with the field; default: all. */
  readonly from?: number
  /** Last version with the field, inclusive; default: all. */
  readonly to?: number
  /** What decoding gives in other versions, and encoding takes for a value left out. */
  readonly default?: Out
}

const LAST_VERSION = 0x7fff

/** A field that not all versions have, or that has a default of its own. */
export function field<Out, In>(
  type: Type<Out, In>,
  options: FieldOptions<NoInfer<Out>>,
): Field<Out, In> {
  return {
    shape: type as Shape,
    from: options.from ?? 0,
    to: options.to ?? LAST_VERSION,
    tag: null,
    default: options.default === undefined ? zeroOf(type as Shape) : options.default,
  }
}

/** A tagged field (KIP-482). It is left out on the wire when it has its default. */
export function tagged<Out, In>(
  tag: number,
  type: Type<Out, In>,
  options: FieldOptions<NoInfer<Out>> & { readonly from: number },
): Field<Out, In> {
  return { ...field(type, options), tag }
}

/** The value Kafka takes for a field that has no default of its own. */
function zeroOf(shape: Shape): unknown {
  switch (shape.kind) {
    case 'bool':
      return false
    case 'string':
      return ''
    case 'uuid':
      return ZERO_UUID
    case 'bytes':
      return Buffer.alloc(0)
    case 'records':
      return null
    case 'array':
      return Object.freeze([])
    case 'struct': {
      const entries = fieldsOf(shape.fields).map((info) => [info.name, info.default])
      return Object.freeze(Object.fromEntries(entries))
    }
    case 'nullable':
      return zeroOf(shape.inner)
    default:
      return 0
  }
}

/** A field as the codecs see it. */
export interface FieldInfo {
  readonly name: string
  readonly shape: Shape
  readonly from: number
  readonly to: number
  readonly tag: number | null
  readonly default: unknown
  /** Whether the value may be left out when encoding. */
  readonly optional: boolean
}

/** The fields of a struct in wire order. */
export function fieldsOf(fields: Fields): FieldInfo[] {
  return Object.entries(fields).map(([name, spec]) => {
    if ('shape' in spec) {
      const { shape, from, to, tag } = spec
      return { name, shape, from, to, tag, default: spec.default, optional: true }
    }
    const shape = spec as Shape
    const value = zeroOf(shape)
    return { name, shape, from: 0, to: LAST_VERSION, tag: null, default: value, optional: false }
  })
}

export interface MessageOptions {
  /** Kafka's name of the message, such as `ProduceRequest`. */
  readonly name: string
  /** Kafka's API key. */
  readonly key: number
  /** First and last version, inclusive. */
  readonly versions: readonly [number, number]
  /** First version with compact lengths and tagged fields (KIP-482); null: none has them. */
  readonly flexibleFrom: number | null
}

/** A request or a response, in all its versions. */
export interface Message<F extends Fields = Fields> extends MessageOptions {
  readonly fields: F
}

export function message<F extends Fields>(options: MessageOptions, fields: F): Message<F> {
  return { ...options, fields }
}

/** Whether `version` of the message has compact lengths and tagged fields. */
export function isFlexible(table: MessageOptions, version: number): boolean {
  return table.flexibleFrom !== null && version >= table.flexibleFrom
}

/** What decoding a message gives. */
export type Infer<M> = M extends Message<infer F> ? StructOut<F> : never
/** What encoding a message takes: as {@link Infer}, without what has a default. */
export type Input<M> = M extends Message<infer F> ? StructIn<F> : never
