import type { AdminCall } from './admin-calls.ts'
import type { Command } from './session.ts'
import type { Codec, SessionSettings } from './session-protocol.ts'

/** A way of using a client that is not its own, without which it fails. */
export interface Adjustment {
  readonly producer?: Partial<SessionSettings>
  readonly consumer?: Partial<SessionSettings>
  readonly seek?: Partial<SessionSettings>
  readonly admin?: Partial<SessionSettings>
  /** A consumer is told to end only when nothing was disturbed for so long. */
  readonly settleMs?: number
  readonly why: string
}

/** A failure that is no news. */
export interface KnownFailure {
  readonly why: string
  /** Of what the failure says; any other failure is news. */
  readonly pattern: RegExp
}

/** A client under test: how a session of it is started, and what it cannot do by itself. */
export interface Client {
  readonly name: string
  readonly command: () => Promise<Command>
  /** The codecs that it brings along. */
  readonly codecs: readonly Codec[]
  /** By the name of a scenario: what keeps the client from it, whatever the broker does. */
  readonly cannot: Readonly<Record<string, string>>
  /** By the name of a scenario: what fails with it. What is acknowledged must be kept all the same. */
  readonly known: Readonly<Record<string, KnownFailure>>
  /** By the name of a scenario: how it must be used there, and why. */
  readonly adjusted: Readonly<Record<string, Adjustment>>
  /** The admin calls that it does not offer. */
  readonly lacks: readonly AdminCall[]
  /** It does not tell what is acknowledged: that it ends well says that all was. */
  readonly tellsAtEnd?: boolean
  /** Settings of the sessions that are not the client's defaults, beside addresses, and why. */
  readonly settings: readonly string[]
}
