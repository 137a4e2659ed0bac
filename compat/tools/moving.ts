import type { Cluster } from '../../e2e/lib/cluster.ts'
import { pause } from '../../e2e/lib/wait.ts'
import {
  coordinatingPartition,
  MOVE_EVERY_MS,
  moveOn,
  OFFSETS_TOPIC,
  ownerOf,
} from '../lib/moves.ts'
import { GROUP, groupTools } from './groups.ts'
import { LOAD_GROUPS, LOAD_TOPICS, RECORDS_TOPIC, recordTools } from './records.ts'
import { disturbUntilEnd } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'
import { TOPIC, topicTools } from './topics.ts'

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

const coordinatorOf = (group: string): string => `the coordinator of ${group}`

/** Moves what is there of them, and adds that to `moved`. */
async function move(cluster: Cluster, step: number, moved: Set<string>): Promise<void> {
  for (const topic of MOVED_TOPICS) {
    const partition = step % PARTITIONS
    if ((await ownerOf(cluster, topic, partition)) < 0) continue
    await moveOn(cluster, topic, partition)
    moved.add(topic)
  }
  if ((await ownerOf(cluster, OFFSETS_TOPIC, 0)) < 0) return
  const group = MOVED_GROUPS[step % MOVED_GROUPS.length] ?? GROUP
  await moveOn(cluster, OFFSETS_TOPIC, await coordinatingPartition(cluster, group))
  moved.add(coordinatorOf(group))
}

/** Moves what the tools use, as soon as it is there, until all that `start` started has ended. */
export async function moveWhile(cluster: Cluster, start: () => Promise<unknown>): Promise<void> {
  const moved = new Set<string>()
  await disturbUntilEnd(start, async (isOver) => {
    for (let step = 0; !isOver(); step++) {
      await move(cluster, step, moved)
      await pause(MOVE_EVERY_MS)
    }
  })
  const wanted = [...MOVED_TOPICS, ...MOVED_GROUPS.map(coordinatorOf)]
  const still = wanted.filter((what) => !moved.has(what))
  if (still.length > 0) throw new Error(`never moved: ${still.join(', ')}`)
}
