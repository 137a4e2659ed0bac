import type { Cluster } from '../../e2e/lib/cluster.ts'
import { pause } from '../../e2e/lib/wait.ts'
import { coordinatingPartition, moveOn, OFFSETS_TOPIC, ownerOf } from '../lib/moves.ts'
import { GROUP, groupTools } from './groups.ts'
import { RECORDS_TOPIC, recordTools } from './records.ts'
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

async function move(cluster: Cluster, step: number): Promise<void> {
  for (const topic of [TOPIC, RECORDS_TOPIC]) {
    const partition = step % PARTITIONS
    if ((await ownerOf(cluster, topic, partition)) >= 0) await moveOn(cluster, topic, partition)
  }
  if ((await ownerOf(cluster, OFFSETS_TOPIC, 0)) < 0) return
  await moveOn(cluster, OFFSETS_TOPIC, await coordinatingPartition(cluster, GROUP))
}

/** Moves what the tools use, as soon as it is there, until all that `start` started has ended. */
export async function moveWhile(cluster: Cluster, start: () => Promise<unknown>): Promise<void> {
  let isOver = false
  const trials = start().finally(() => {
    isOver = true
  })
  try {
    for (let step = 0; !isOver; step++) {
      await move(cluster, step)
      await pause(MOVE_EVERY_MS)
    }
  } finally {
    await trials
  }
}
