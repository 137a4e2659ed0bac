import { apis } from '../../broker/protocol/api-keys.ts'
import { offsetsPartitionOf } from '../../broker/coordinator/group-coordinator.ts'
import { pause, until } from '../../e2e/lib/wait.ts'
import { ask, metadataOf } from '../../e2e/lib/wire-client.ts'
import { type Cell, PARTITIONS } from '../lib/cell.ts'
import { flows, traffic } from './groups.ts'
import type { Scenario } from './scenario.ts'

const OFFSETS_TOPIC = '__consumer_offsets'
const PARTITION_MOVES = 12
const COORDINATOR_MOVES = 8
const MOVE_EVERY_MS = 1_500
const KILLS = 2
/**
 * Longer than clients take between two heartbeats, so that all know their coordinator in the end:
 * a consumer of aiokafka 0.14 that hears of a new one only in its stop() never returns from that,
 * as it looks for none while it closes.
 */
const SETTLE_MS = 6_000

/** Gives a partition to the next node (AlterPartitionReassignments); waits until it is there. */
async function move(cell: Cell, topic: string, partition: number): Promise<void> {
  const nodeIds = cell.cluster.running.map(({ nodeId }) => nodeId).sort((a, b) => a - b)
  const from = await cell.leaderOf(partition, topic)
  const to = nodeIds[(nodeIds.indexOf(from) + 1) % nodeIds.length] ?? -1
  await until(`partition ${partition} of ${topic} goes to ${to}`, async () => {
    // Refused while its last move is not finished; the balancer moves partitions as well.
    await ask(cell.port, apis.alterPartitionReassignments, 0, {
      timeoutMs: 10_000,
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, replicas: [to] }] }],
    })
    return (await cell.leaderOf(partition, topic)) !== from
  })
}

/** Every partition of the topic moves, several times. */
function runMoves(cell: Cell): Promise<undefined> {
  return traffic(cell, async (flow) => {
    await flows(flow)
    for (let round = 0; round < PARTITION_MOVES; round++) {
      await move(cell, cell.topic, round % PARTITIONS)
      await pause(MOVE_EVERY_MS)
      flow.producer.checkFailures()
    }
    await flows(flow)
  })
}

/** The group's partition of the offsets topic moves, and with it the coordinator. */
function runCoordinatorMoves(cell: Cell): Promise<undefined> {
  return traffic(cell, async (flow) => {
    await flows(flow)
    const { topics } = await metadataOf(cell.port, OFFSETS_TOPIC)
    const partition = offsetsPartitionOf(cell.topic, topics[0]?.partitions.length ?? 0)
    for (let round = 0; round < COORDINATOR_MOVES; round++) {
      await move(cell, OFFSETS_TOPIC, partition)
      await pause(MOVE_EVERY_MS)
      for (const each of flow.consumers) each.checkFailures()
    }
    await flows(flow)
    await pause(SETTLE_MS)
  })
}

async function kill(cell: Cell, atSameAddress: boolean): Promise<void> {
  const owner = cell.cluster.node(await cell.leaderOf(0))
  await owner.kill()
  await cell.cluster.startBroker(atSameAddress ? owner.ports : undefined)
  await until('the dead one owns nothing', async () => {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const leader = await cell.leaderOf(partition)
      if (leader === owner.nodeId || leader < 0) return false
    }
    return true
  })
}

/** The owner of a partition is killed, and another broker is started. */
function runKills(cell: Cell, atSameAddress: boolean): Promise<undefined> {
  return traffic(cell, async (flow) => {
    await flows(flow)
    for (let round = 0; round < KILLS; round++) {
      await kill(cell, atSameAddress)
      await flows(flow)
    }
  })
}

export const disturbanceScenarios: readonly Scenario[] = [
  {
    name: 'moves',
    title: 'All of it while partitions move',
    brokers: 3,
    run: runMoves,
  },
  {
    name: 'coordinator-moves',
    title: 'All of it while the group’s coordinator moves',
    brokers: 3,
    run: runCoordinatorMoves,
  },
  {
    name: 'kills',
    title: 'All of it while owners are killed (`kill -9`)',
    brokers: 3,
    isAlone: true,
    run: (cell) => runKills(cell, false),
  },
  {
    name: 'restarts',
    title: 'All of it while owners are killed and started anew at the same address',
    brokers: 3,
    isAlone: true,
    run: (cell) => runKills(cell, true),
  },
]
