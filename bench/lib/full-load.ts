import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext } from './figure.ts'
import { createTopic, type Peer } from './peer.ts'
import { cpuSecondsOf, machineSeconds, mainThreadSecondsOf } from './process-usage.ts'
import { produce, RECORD_BYTES } from './producer-performance.ts'
import type { Workspace } from './workspace.ts'

export const PARTITIONS = 16
const MEBIBYTE = 1024 * 1024
const PAYLOADS = 1_000
/** One producer process does not keep a broker busy. */
const PRODUCERS = 2
const SETTLE_MS = 500

/** One run at full load, as far as the broker is concerned. */
export interface FullLoadSample {
  readonly broker: string
  readonly mebibytes: number
  readonly mebibytesPerSecond: number
  readonly cpuUserSeconds: number
  readonly cpuSystemSeconds: number
  readonly mebibytesPerCpuSecond: number
  /** How busy the broker's first thread was while records came: in ours, the event loop. */
  readonly mainThreadShare: number
  /** How busy all CPUs were, producers included. */
  readonly machineShare: number
}

/** Payloads of random letters. Made once: the tool itself would take longer to make them. */
export async function writePayloads(workspace: Workspace): Promise<string> {
  const lines: string[] = []
  for (let i = 0; i < PAYLOADS; i++) {
    let line = ''
    while (line.length < RECORD_BYTES) line += Math.random().toString(36).slice(2)
    lines.push(line.slice(0, RECORD_BYTES))
  }
  const path = join(workspace.folder, 'payloads.txt')
  await writeFile(path, `${lines.join('\n')}\n`)
  return path
}

/** Writes `mebibytes` as fast as it goes to a new topic, and forgets the topic afterwards. */
export async function runFullLoad(
  context: BenchContext,
  peer: Peer,
  load: { batchBytes: number; mebibytes: number; payloadFile: string },
): Promise<FullLoadSample> {
  const topic = await createTopic(peer, PARTITIONS)
  await pause(SETTLE_MS)
  const { batchBytes, mebibytes, payloadFile } = load
  const records = (mebibytes * MEBIBYTE) / RECORD_BYTES
  const before = { cpu: cpuSecondsOf(peer.pid), main: mainThreadSecondsOf(peer.pid) }
  const machineBefore = machineSeconds()
  const reports = await produce(
    peer,
    { topic, records, batchBytes, recordsPerSecond: null, payloadFile },
    PRODUCERS,
  )
  const after = { cpu: cpuSecondsOf(peer.pid), main: mainThreadSecondsOf(peer.pid) }
  const machineAfter = machineSeconds()
  await peer.forget(topic)
  await context.workspace.settle()
  // Producers start and end a little apart; the longest is the time that records came.
  const seconds = Math.max(...reports.map((report) => report.records / report.recordsPerSecond))
  const cpuSeconds = after.cpu.total - before.cpu.total
  return {
    broker: peer.name,
    mebibytes,
    mebibytesPerSecond: mebibytes / seconds,
    cpuUserSeconds: after.cpu.user - before.cpu.user,
    cpuSystemSeconds: after.cpu.system - before.cpu.system,
    mebibytesPerCpuSecond: mebibytes / cpuSeconds,
    mainThreadShare: (after.main - before.main) / seconds,
    machineShare: (machineAfter.busy - machineBefore.busy) / (machineAfter.all - machineBefore.all),
  }
}

/** Keeps `peer` under full load until its code is compiled and its buffers are there. */
export async function warm(
  context: BenchContext,
  peer: Peer,
  load: { batchBytes: number; payloadFile: string },
): Promise<void> {
  const { warmSeconds, runMebibytes } = context.settings
  const endMs = performance.now() + warmSeconds * 1000
  context.say(`warming ${peer.name} for ${warmSeconds} s, batch.size ${load.batchBytes}`)
  while (performance.now() < endMs) {
    await runFullLoad(context, peer, { ...load, mebibytes: runMebibytes })
  }
}
