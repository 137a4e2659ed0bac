import type { Cluster } from '../../e2e/lib/cluster.ts'
import { pause } from '../../e2e/lib/wait.ts'
import { coordinatingPartition, moveOn, OFFSETS_TOPIC, ownerOf } from '../lib/moves.ts'
import { GROUP, groupTools } from './groups.ts'
import { LOAD_GROUPS, LOAD_TOPICS, RECORDS_TOPIC, recordTools } from './records.ts'
import type { ToolTrial } from './tool-trial.ts'
import { TOPIC, topicTools } from './topics.ts'

const MOVE_EVERY_MS = 1_500
/** So many partitions the topics of the tools have from the start. */
const PARTITIONS = 3
/** They move partitions themselves, or hold who owns them against who did. */
const MOVERS = new Set(['kafka-reassign-partitions', 'kafka-leader-election'])

/** Tools that take a moment each; they follow each other, as each makes what the next one needs. */
export const movingTools: readonly ToolTrial[] = [...topicTools, ...recordTools, ...groupTools]
  .filter(({ tool }) => !MOVERS.has(tool))
  .map((trial) => ({ ...trial, title: `${trial.title}, while partitions and coordinators move` }))

/** What the tools make and use, all with {@link PARTITIONS} partitions at least. */
const MOVED_TOPICS = [TOPIC, RECORDS_TOPIC, ...LOAD_TOPICS]
const MOVED_GROUPS = [GROUP, ...LOAD_GROUPS]

/** Moves what is there of them, and counts that. */
async function move(cluster: Cluster, step: number, counts: Map<string, number>): Promise<void> {
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1)
  for (const topic of MOVED_TOPICS) {
    const partition = step % PARTITIONS
    if ((await ownerOf(cluster, topic, partition)) < 0) continue
    await moveOn(cluster, topic, partition)
    count(topic)
  }
  if ((await ownerOf(cluster, OFFSETS_TOPIC, 0)) < 0) return
  const group = MOVED_GROUPS[step % MOVED_GROUPS.length] ?? GROUP
  await moveOn(cluster, OFFSETS_TOPIC, await coordinatingPartition(cluster, group))
  count(`the coordinator of ${group}`)
}

/** Moves what the tools use, as soon as it is there, until all that `start` started has ended. */
export async function moveWhile(cluster: Cluster, start: () => Promise<unknown>): Promise<void> {
  let isOver = false
  const counts = new Map<string, number>()
  const trials = start().finally(() => {
    isOver = true
  })
  try {
    for (let step = 0; !isOver; step++) {
      await move(cluster, step, counts)
      await pause(MOVE_EVERY_MS)
    }
  } finally {
    await trials
  }
  const wanted = [...MOVED_TOPICS, ...MOVED_GROUPS.map((group) => `the coordinator of ${group}`)]
  const still = wanted.filter((what) => !counts.has(what))
  if (still.length > 0) throw new Error(`never moved: ${still.join(', ')}`)
}
