import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { finished, spawnGuarded } from '../../e2e/lib/child.ts'
import type { Command } from './session.ts'
import type { Codec, SessionSettings } from './session-protocol.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CLIENTS = join(ROOT, 'compat/clients')
const CACHE = join(ROOT, '.cache/compat')

interface Adjustment {
  readonly producer: Partial<SessionSettings>
  readonly why: string
}

/** A client under test: how a session of it is started, and what it cannot do by itself. */
export interface Client {
  readonly name: string
  readonly command: () => Promise<Command>
  /** The codecs that it brings along. */
  readonly codecs: readonly Codec[]
  /** By the name of a scenario: what keeps the client from it, whatever the broker does. */
  readonly cannot: Readonly<Record<string, string>>
  /** By the name of a scenario: what fails with it, and why; a failure is no news then. */
  readonly known: Readonly<Record<string, string>>
  /** By the name of a scenario: how it must be used there, and why; its own way fails. */
  readonly adjusted: Readonly<Record<string, Adjustment>>
  /** Settings of the sessions that are not the client's defaults, beside addresses, and why. */
  readonly settings: readonly string[]
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null
  return () => {
    made ??= make()
    return made
  }
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await finished(spawnGuarded(program, args))
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout.trim()
}

function nodeCommand(file: string): () => Promise<Command> {
  return async () => ({ program: process.execPath, args: [join(CLIENTS, file)] })
}

/** Brings the Python clients here, as pinned in requirements.txt, and returns their folder. */
const pythonPackages = once(() => run(join(ROOT, 'scripts/python-clients.sh'), []))

function pythonCommand(file: string): () => Promise<Command> {
  return async () => {
    const env = { PYTHONPATH: await pythonPackages(), PYTHONDONTWRITEBYTECODE: '1' }
    return { program: 'python3', args: [join(CLIENTS, file)], env }
  }
}

/** Compiled once: compiling takes longer than most sessions run. */
const javaCommand = once(async (): Promise<Command> => {
  const libraries = await run(join(ROOT, 'scripts/kafka-tools.sh'), [])
  const classes = join(CACHE, 'java')
  mkdirSync(classes, { recursive: true })
  await run('javac', ['-cp', libraries, '-d', classes, join(CLIENTS, 'JavaSession.java')])
  const options = ['-Xmx256m', '-XX:TieredStopAtLevel=1']
  return { program: 'java', args: [...options, '-cp', `${classes}:${libraries}`, 'JavaSession'] }
})

const ALL: readonly Codec[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const FROM_BEGINNING = 'consumers begin at the earliest offset, as the tests know what is there'

/** kafkajs 2.2.4, src/producer/sendMessages.js; https://github.com/tulios/kafkajs/issues/1303 */
const KAFKAJS_RECORD_PER_SEND: Adjustment = {
  producer: { recordPerSend: true },
  why:
    'each `send()` has one record. When a `send()` has records for several brokers and one of ' +
    'them refuses, kafkajs asks for the owners again and tries again, but not at brokers that ' +
    'have answered already: a partition that moved to one of those gets nothing, and `send()` ' +
    'resolves as if it had. Every change of a leader can do that to it, in Apache Kafka too',
}

/** @platformatic/kafka 2.12.1, producer.ts: #performSingleDestinationSend. */
const PLATFORMATIC_RECORD_PER_SEND: Adjustment = {
  producer: { recordPerSend: true },
  why:
    'each `send()` has one record. When a `send()` has records for several partitions of one ' +
    'broker and one of these moves, it asks for the owner of the first record only, and sends all ' +
    'of them there; an idempotent producer does so for ever. Every change of a leader can do that ' +
    'to it, in Apache Kafka too',
}

/** @platformatic/kafka 2.12.1, consumer.ts: a fetch of partitions that were torn apart. */
const PLATFORMATIC_KILLED =
  'when a broker dies its consumer tries to reach it four times within three seconds, and then ends ' +
  'its stream with an error, unless all that it read there has gone to one and the same broker by then. ' +
  'Apache Kafka takes longer than that to notice a death, too'

/** Every client of the matrix, in the order of its columns. */
export const clients: readonly Client[] = [
  {
    name: 'kcat',
    command: nodeCommand('kcat-session.ts'),
    codecs: ALL,
    cannot: {},
    known: {},
    adjusted: {},
    settings: [
      FROM_BEGINNING,
      '`-E`: without it kcat ends on its own as soon as it finds no broker for a moment',
    ],
  },
  {
    name: 'confluent-kafka',
    command: pythonCommand('confluent_session.py'),
    codecs: ALL,
    cannot: {},
    known: {},
    adjusted: {},
    settings: [FROM_BEGINNING],
  },
  {
    name: 'Java client',
    command: javaCommand,
    codecs: ALL,
    cannot: {},
    known: {},
    adjusted: {},
    settings: [FROM_BEGINNING],
  },
  {
    name: 'kafkajs',
    command: nodeCommand('kafkajs-session.ts'),
    codecs: ['none', 'gzip'],
    cannot: { 'static-members': 'it has no setting for `group.instance.id`' },
    known: {},
    adjusted: {
      moves: KAFKAJS_RECORD_PER_SEND,
      kills: KAFKAJS_RECORD_PER_SEND,
      restarts: KAFKAJS_RECORD_PER_SEND,
    },
    settings: [
      FROM_BEGINNING,
      'idempotent producers: `maxInFlightRequests: 1`, as its documentation demands',
    ],
  },
  {
    name: '@platformatic/kafka',
    command: nodeCommand('platformatic-session.ts'),
    codecs: ALL,
    cannot: {},
    known: {
      kills: PLATFORMATIC_KILLED,
      restarts: PLATFORMATIC_KILLED,
    },
    adjusted: {
      moves: PLATFORMATIC_RECORD_PER_SEND,
      kills: PLATFORMATIC_RECORD_PER_SEND,
      restarts: PLATFORMATIC_RECORD_PER_SEND,
    },
    settings: [FROM_BEGINNING],
  },
  {
    name: 'aiokafka',
    command: pythonCommand('aiokafka_session.py'),
    codecs: ALL,
    cannot: {},
    known: {},
    adjusted: {},
    settings: [FROM_BEGINNING],
  },
]
