/**
 * A session is one process of one client, which plays one role and ends. Whatever its language, it
 * gets its settings as JSON in its first argument and commands as lines on standard input, and it
 * tells what happens in JSON lines on standard output. When standard input ends it ends at once:
 * the runner is gone.
 *
 * Commands: `send <count>` (records, at once), `run <records per second>` (0 stops), `finish`.
 */
export type Role = 'version' | 'produce' | 'consume' | 'seek' | 'admin'

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** What is not set is left out, and the client keeps its default. */
export interface SessionSettings {
  readonly role: Role
  /** `host:port,host:port` */
  readonly bootstrap: string
  /** PEM of the authority that signed the brokers' certificates; the session uses TLS with it. */
  readonly caFile?: string
  readonly topic?: string
  /** produce: record number i has the value `<name>-<i>` and one of 97 keys. */
  readonly name?: string
  readonly codec?: Codec
  readonly idempotent?: boolean
  /** produce: each call of the client gets one record, for clients that take several. */
  readonly recordPerSend?: boolean
  /** produce and consume: the client tries again for as long as it takes. seek and admin: whoever uses it does. */
  readonly isPatient?: boolean
  /** consume: the application makes a new consumer when one ends with an error. */
  readonly isRestarted?: boolean
  /** consume: partitions change hands without that all of a group stop (cooperative-sticky). */
  readonly isCooperative?: boolean
  /** consume: the group. admin: the name of a group to make and delete. */
  readonly groupId?: string
  readonly instanceId?: string
  /** seek: reads `count` records, in each partition from the first that is not older. */
  readonly timeMs?: number
  readonly count?: number
}

export type SessionReport =
  | { readonly event: 'version'; readonly version: string }
  /** It connects, or has; commands are heard from now on. */
  | { readonly event: 'ready' }
  /** A record was acknowledged; clients that do not say where leave that out. */
  | {
      readonly event: 'acked'
      readonly value: string
      readonly partition?: number
      readonly offset?: number
    }
  /** What an application would have seen: a failed delivery, an exception. */
  | { readonly event: 'failed'; readonly what: string; readonly message: string }
  | { readonly event: 'assigned'; readonly partitions: readonly number[] }
  | { readonly event: 'revoked'; readonly partitions: readonly number[] }
  | {
      readonly event: 'record'
      readonly partition: number
      readonly offset: number
      readonly value: string
    }
  /** admin: one thing that was tried. */
  | {
      readonly event: 'step'
      readonly name: string
      readonly outcome: 'passed' | 'failed'
      readonly message?: string
    }
  /** All that was asked for is done; the process ends with 0. */
  | { readonly event: 'done' }
