import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { finished, spawnGuarded } from '../../e2e/lib/child.ts'
import { ADMIN_CALLS, type AdminCall } from './admin-calls.ts'
import {
  AIOKAFKA_SETTLED,
  CONFLUENT_ASKED_AGAIN,
  KCAT_ASKED_AGAIN,
  KAFKAJS_MOVED,
  PLATFORMATIC_RESTARTED,
  PLATFORMATIC_PATIENT,
  PLATFORMATIC_RECORD_PER_SEND,
} from './adjustments.ts'
import type { Client } from './client.ts'
import type { Command } from './session.ts'
import type { Codec } from './session-protocol.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const CLIENTS = join(ROOT, 'compat/clients')
const CACHE = join(ROOT, '.cache/compat')

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
/** It has no admin part. It lists, and makes a topic by asking for one. */
const KCAT_CALLS: readonly AdminCall[] = [
  'describe cluster',
  'create topic',
  'list topics',
  'describe topic',
  'list offsets',
]

const FROM_BEGINNING = 'consumers begin at the earliest offset, as the tests know what is there'

const NO_COOPERATIVE = 'all its assignors take every partition from every member at each rebalance'

/** Every client of the matrix, in the order of its columns. */
export const clients: readonly Client[] = [
  {
    name: 'kcat',
    command: nodeCommand('kcat-session.ts'),
    codecs: ALL,
    cannot: {},
    known: {},
    adjusted: { kills: KCAT_ASKED_AGAIN, restarts: KCAT_ASKED_AGAIN },
    lacks: ADMIN_CALLS.filter((call) => !KCAT_CALLS.includes(call)),
    tellsAtEnd: true,
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
    adjusted: { kills: CONFLUENT_ASKED_AGAIN, restarts: CONFLUENT_ASKED_AGAIN },
    lacks: [
      'describe producers',
      'reassign a partition',
      'list reassignments',
      'describe log dirs',
      'delete group offsets',
    ],
    settings: [FROM_BEGINNING],
  },
  {
    name: 'Java client',
    command: javaCommand,
    codecs: ALL,
    cannot: {},
    known: {},
    adjusted: {},
    lacks: [],
    settings: [FROM_BEGINNING],
  },
  {
    name: 'kafkajs',
    command: nodeCommand('kafkajs-session.ts'),
    codecs: ['none', 'gzip'],
    cannot: {
      'static-members': 'it has no setting for `group.instance.id`',
      cooperative: NO_COOPERATIVE,
    },
    known: {},
    adjusted: {
      moves: KAFKAJS_MOVED,
      kills: KAFKAJS_MOVED,
      restarts: KAFKAJS_MOVED,
    },
    lacks: ['elect leaders', 'describe producers', 'describe log dirs', 'delete group offsets'],
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
    known: {},
    adjusted: {
      moves: PLATFORMATIC_RECORD_PER_SEND,
      'coordinator-moves': PLATFORMATIC_PATIENT,
      kills: PLATFORMATIC_RESTARTED,
      restarts: PLATFORMATIC_RESTARTED,
    },
    lacks: ['elect leaders', 'describe producers', 'reassign a partition', 'list reassignments'],
    settings: [FROM_BEGINNING],
  },
  {
    name: 'aiokafka',
    command: pythonCommand('aiokafka_session.py'),
    codecs: ALL,
    cannot: { cooperative: NO_COOPERATIVE },
    known: {},
    adjusted: {
      'coordinator-moves': AIOKAFKA_SETTLED,
      kills: AIOKAFKA_SETTLED,
      restarts: AIOKAFKA_SETTLED,
    },
    lacks: [
      'list offsets',
      'elect leaders',
      'describe producers',
      'reassign a partition',
      'list reassignments',
      'describe log dirs',
      'alter group offsets',
      'delete group offsets',
      'delete group',
    ],
    settings: [FROM_BEGINNING],
  },
]
