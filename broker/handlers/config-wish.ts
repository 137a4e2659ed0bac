import type { ErrorName } from '../protocol/error-codes.ts'

/** Kafka's numbers of operations (AlterConfigOp.OpType). */
export const OPERATION = { set: 0, delete: 1, append: 2, subtract: 3 } as const
export const OPERATION_NAMES: readonly string[] = ['SET', 'DELETE', 'APPEND', 'SUBTRACT']

export interface Alteration {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** What a client wants of the configs of one resource. */
export interface Wish {
  readonly resourceType: number
  readonly resourceName: string
  readonly configs: readonly Alteration[]
  /** Whether everything that `configs` does not name goes back to its default. */
  readonly replaces: boolean
}

export interface Outcome {
  readonly error: ErrorName | null
  readonly message: string | null
}

export function invalid(message: string): Outcome {
  return { error: 'INVALID_REQUEST', message }
}
