import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import {
  check,
  fail,
  finishing,
  play,
  report,
  sendAsAsked,
  settings,
  takeSteps,
  topic,
} from './node-session.ts'

/**
 * A session of kcat: it runs the program and says in reports what that says in words. kcat does not
 * tell what was acknowledged; that it ends with 0 means that everything was.
 */
const COMMON = [
  ...['-b', settings.bootstrap],
  ...(settings.caFile === undefined
    ? []
    : ['-X', 'security.protocol=ssl', '-X', `ssl.ca.location=${settings.caFile}`]),
]

function start(args: readonly string[]): { child: ChildProcess; code: Promise<number | null> } {
  const child = spawn('kcat', [...COMMON, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  process.once('exit', () => void child.kill('SIGKILL'))
  child.stdin?.on('error', () => {})
  child.stderr?.pipe(process.stderr)
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, code }
}

function checkEnd(code: number | null): void {
  if (code !== 0) fail('kcat', new Error(`it ended with ${code}`))
}

async function produce(): Promise<void> {
  const { child, code } = start([
    // Without -E it ends as soon as no broker is there for a moment.
    ...['-P', '-E', '-t', topic, '-K', '\t'],
    ...(settings.codec === undefined ? [] : ['-z', settings.codec]),
    ...(settings.idempotent ? ['-X', 'enable.idempotence=true'] : []),
  ])
  await sendAsAsked(async (records) => {
    child.stdin?.write(records.map(({ key, value }) => `${key}\t${value}\n`).join(''))
  })
  child.stdin?.end()
  checkEnd(await code)
}

const RECORD_FORMAT = '%p\t%o\t%s\n'

/** Tells of every record that comes; `onRecord` hears how many did. */
function tellRecords(child: ChildProcess, onRecord: () => void = () => {}): void {
  if (child.stdout === null) return
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [partition = '', offset = '', value = ''] = line.split('\t')
    report({ event: 'record', partition: Number(partition), offset: Number(offset), value })
    onRecord()
  })
}

/**
 * `% Group g rebalanced (memberid …): assigned: topic [0], topic [1]`, or
 * `% Group g rebalanced: incremental assignment of 2 partition(s) (memberid …): topic [0], topic [1]`
 * (or `incremental revoke`).
 */
const REBALANCED = /^% Group .* rebalanced.* (assigned|revoked|assignment|revoke)\b.*: (.*)$/

async function consume(): Promise<void> {
  const { child, code } = start([
    ...['-G', settings.groupId ?? '', '-E', '-u', '-f', RECORD_FORMAT],
    ...['-X', 'auto.offset.reset=earliest'],
    ...(settings.instanceId === undefined
      ? []
      : ['-X', `group.instance.id=${settings.instanceId}`]),
    ...(settings.isCooperative ? ['-X', 'partition.assignment.strategy=cooperative-sticky'] : []),
    topic,
  ])
  tellRecords(child)
  if (child.stderr !== null) {
    createInterface({ input: child.stderr }).on('line', (line) => {
      const [, word, list = ''] = REBALANCED.exec(line) ?? []
      if (word === undefined) return
      const partitions = [...list.matchAll(/\[(\d+)\]/g)].map(([, each]) => Number(each))
      report({ event: word.startsWith('assign') ? 'assigned' : 'revoked', partitions })
    })
  }
  report({ event: 'ready' })
  let isAsked = false
  void finishing.then(() => {
    isAsked = true
    child.kill('SIGTERM')
  })
  const ended = await code
  check(isAsked, `kcat ended with ${ended} before it was asked to`)
  checkEnd(ended)
}

async function seek(): Promise<void> {
  const from = ['-o', `s@${settings.timeMs}`]
  report({ event: 'ready' })
  for (;;) {
    const { child, code } = start([
      '-C',
      '-E',
      '-t',
      topic,
      ...from,
      '-e',
      '-u',
      '-f',
      RECORD_FORMAT,
    ])
    let count = 0
    tellRecords(child, () => count++)
    const ended = await code
    if (ended === 0 || count > 0 || !settings.isPatient) return checkEnd(ended)
    process.stderr.write('kcat is run again\n')
  }
}

/** Its standard output. */
async function said(args: readonly string[]): Promise<string> {
  const { child, code } = start(args)
  const chunks: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stdin?.end()
  const ended = await code
  check(ended === 0, `kcat ended with ${ended}`)
  return Buffer.concat(chunks).toString()
}

async function administer(): Promise<void> {
  await takeSteps([
    [
      'describe cluster',
      async () => check(/\n \d+ brokers:/.test(await said(['-L'])), 'no brokers are listed'),
    ],
    [
      // It makes topics by asking for them, where brokers allow that.
      'create topic',
      async () => {
        await said(['-L', '-t', topic, '-X', 'allow.auto.create.topics=true'])
        check(/with [1-9]\d* partitions/.test(await said(['-L', '-t', topic])), 'no partitions')
      },
    ],
    ['list topics', async () => check((await said(['-L'])).includes(`"${topic}"`), 'missing')],
    [
      'describe topic',
      async () => {
        const words = await said(['-L', '-t', topic])
        check(/partition 0, leader [1-9]/.test(words), `no leader: ${words}`)
      },
    ],
    [
      'list offsets',
      async () => check((await said(['-Q', '-t', `${topic}:0:-1`])).includes('offset 0'), 'not 0'),
    ],
  ])
}

async function version(): Promise<void> {
  const words = await said(['-V'])
  const [, kcat = '?'] = /Version (\S+)/.exec(words) ?? []
  const [, librdkafka = '?'] = /librdkafka (\S+)/.exec(words) ?? []
  report({ event: 'version', version: `${kcat} (librdkafka ${librdkafka})` })
}

await play({ version, produce, consume, seek, admin: administer })
