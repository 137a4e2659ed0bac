import { succession } from '../../controller/takeover.ts'
import { ownershipOf } from '../../metadata/image.ts'
import type { MetadataLog } from '../../metadata/log.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type { ObjectStore } from '../../object-store/store.ts'
import { type Cost, costOf, liveMebibytes, medianCost } from '../lib/cost.ts'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { HeldController } from '../lib/held-controller.ts'
import { type ClusterSize, largeCluster, logOn, nextRegistration } from '../lib/large-cluster.ts'
import { metadataAsker } from '../lib/metadata-asker.ts'
import { fixed } from '../lib/report.ts'

const FULL: ClusterSize = { nodes: 4_000, topics: 10_000, partitionsPerTopic: 100 }
const SHORT: ClusterSize = { nodes: 100, topics: 200, partitionsPerTopic: 50 }
const MEBIBYTE = 1024 * 1024
/** What takes less than the clock can tell is done so often. */
const REPEATS = 200
const TIMES = 5
/** Until a new node has answered, or a dead one has refused twice, and what follows is done. */
const TICKS_OF_CHANGE = 5
const DEAD_NODE = 17

interface Row extends Cost {
  readonly what: string
  readonly outcome: string
}

/** One of `REPEATS`. */
async function smallCost(work: (index: number) => Promise<unknown>): Promise<Cost> {
  const { cpuMs, turnMs, peakMebibytes } = await costOf(async () => {
    for (let index = 0; index < REPEATS; index++) {
      await work(index)
      await new Promise(setImmediate)
    }
  })
  return { cpuMs: cpuMs / REPEATS, turnMs, peakMebibytes }
}

/** A partition moves to the next node, or is checkpointed there: in turn. */
function change(log: MetadataLog, partition: number): MetadataRecord[] {
  const topicId = [...log.image.topics.keys()][0] ?? ''
  const ownership = ownershipOf(log.image, topicId, partition)
  if (ownership === undefined) return []
  if (ownership.from.length > 0) {
    return [{ type: 'ownership', topicId, partition, ...ownership, from: [] }]
  }
  const target = 1 + (ownership.nodeId % log.image.nodes.size)
  return [succession({ topicId, partition, ownership }, target)]
}

async function imageRows(
  log: MetadataLog,
  store: ObjectStore,
): Promise<{ rows: Row[]; other: MetadataLog }> {
  const rows: Row[] = []
  const snapshot = await medianCost(TIMES, () => log.snapshot())
  const [object] = await store.list({ prefix: 'meta/snapshot/', limit: 1 })
  const bytes = (object?.sizeBytes ?? 0) / MEBIBYTE
  rows.push({ what: 'write a snapshot', outcome: `${fixed(bytes)} MiB`, ...snapshot })
  const before = liveMebibytes()
  const other = logOn(store, 5)
  const loading = await costOf(() => other.open())
  const live = liveMebibytes() - before
  rows.push({ what: 'load the image from it', outcome: `${fixed(live)} MiB live`, ...loading })
  const append = await smallCost(() => log.append(() => change(log, 0)))
  rows.push({ what: 'append one change of an owner', outcome: '', ...append })
  const tail = await costOf(() => other.catchUp())
  const each = { ...tail, cpuMs: tail.cpuMs / REPEATS }
  rows.push({ what: `tail it, one of ${REPEATS}`, outcome: '', ...each })
  return { rows, other }
}

async function metadataRows(log: MetadataLog): Promise<Row[]> {
  const ask = metadataAsker(log)
  const names = [...log.image.topicIds.keys()]
  const rows: Row[] = []
  for (const topics of [names.slice(0, 1), names.slice(0, 100), null]) {
    const bytes = await ask(topics)
    const what = `Metadata of ${topics === null ? 'all' : topics.length} topics`
    const cost =
      topics === null
        ? await medianCost(TIMES, () => ask(topics))
        : await smallCost(() => ask(topics))
    rows.push({ what, outcome: `${fixed(bytes / MEBIBYTE)} MiB`, ...cost })
  }
  return rows
}

/** Ticks until all of it is done: what they cost together, and the longest turn. */
async function ticksOfChange(
  held: HeldController,
  log: MetadataLog,
): Promise<Cost & { owned(nodeId: number): number }> {
  const cost = await costOf(async () => {
    for (let tick = 0; tick < TICKS_OF_CHANGE; tick++) await held.tick()
  })
  return { ...cost, owned: (nodeId) => log.image.ownedCounts.get(nodeId) ?? 0 }
}

async function controllerRows(
  log: MetadataLog,
  other: MetadataLog,
  store: ObjectStore,
): Promise<Row[]> {
  await other.catchUp()
  const held = await HeldController.start(other, store)
  const rows: Row[] = []
  const first = await ticksOfChange(held, other)
  rows.push({ what: 'controller: the first five ticks', outcome: '', ...first })
  const pings = held.pingCount
  const settled = await costOf(() => held.tick())
  const asked = `${held.pingCount - pings} pings`
  rows.push({ what: 'controller: a tick, nothing to do', outcome: asked, ...settled })
  const changes = await smallCost(async (index) => {
    await log.append(() => change(log, index % 2))
    await other.catchUp()
    await held.tick()
  })
  rows.push({ what: 'controller: a change, and the tick after it', outcome: '', ...changes })
  await log.append(() => [nextRegistration(log)])
  await other.catchUp()
  const joined = await ticksOfChange(held, other)
  const newest = other.image.scalars.nextNodeId - 1
  const gets = `it gets ${joined.owned(newest)}`
  rows.push({ what: 'controller: a node joins, five ticks', outcome: gets, ...joined })
  const lost = other.image.ownedCounts.get(DEAD_NODE) ?? 0
  held.refusing.add(DEAD_NODE)
  const died = await ticksOfChange(held, other)
  const moved = `${lost - died.owned(DEAD_NODE)} of ${lost} moved`
  rows.push({ what: 'controller: a node dies, five ticks', outcome: moved, ...died })
  held.stop()
  return rows
}

async function run(context: BenchContext): Promise<FigureResult> {
  const size = context.settings.isShort ? SHORT : FULL
  const partitions = size.topics * size.partitionsPerTopic
  const before = liveMebibytes()
  const { result, ...making } = await costOf(() => largeCluster(size))
  const { log, store } = result
  const live = liveMebibytes() - before
  context.say(`${partitions} partitions are made`)
  const { rows, other } = await imageRows(log, store)
  const answers = await metadataRows(log)
  context.say('the image is loaded, Metadata is answered')
  const led = await controllerRows(log, other, store)
  const made: Row = { what: 'make all of it', outcome: `${fixed(live)} MiB live`, ...making }
  const all = [made, ...rows, ...answers, ...led]
  return {
    title: `${partitions} partitions in ${size.topics} topics on ${size.nodes} nodes, in one process`,
    table: [
      ['what', 'CPU, ms', 'longest turn, ms', 'peak, MiB', ''],
      ...all.map(({ what, outcome, cpuMs, turnMs, peakMebibytes }) => [
        ...[what, fixed(cpuMs, cpuMs < 10 ? 2 : 0), fixed(turnMs, turnMs < 10 ? 1 : 0)],
        ...[fixed(peakMebibytes, 0), outcome],
      ]),
    ],
    notes: [
      'CPU is of the one thread; the store is memory and nodes answer at once, so nothing is waited for',
      'peak: how far the resident set rose while it ran, of what was given back before',
      'every tenth partition has moved once, and every tenth is busy',
    ],
    verdicts: [],
    data: all,
  }
}

export const breadthFigure: Figure = {
  name: 'breadth',
  summary: 'what a million partitions on 4,000 nodes cost: image, Metadata, controller',
  run,
}
