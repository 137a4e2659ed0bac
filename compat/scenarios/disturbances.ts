import { pause } from '../../e2e/lib/wait.ts'
import { type Cell, PARTITIONS } from '../lib/cell.ts'
import {
  coordinatingPartition,
  MOVE_EVERY_MS,
  moveOn,
  moveTo,
  OFFSETS_TOPIC,
  ownerOf,
  untilOwned,
} from '../lib/moves.ts'
import type { Scenario } from './scenario.ts'
import { Traffic } from './traffic.ts'

const MOVE_ROUNDS = 4
const MOVES_PER_ROUND = 3
/**
 * Fewer rounds than with other moves: a member that leaves while its coordinator moves may not be
 * heard, and then the others wait for the end of its session.
 */
const COORDINATOR_ROUNDS = 2
const COORDINATOR_MOVES_PER_ROUND = 5
const KILLS = 2
/** Partition after partition moves, of every topic that clients use. */
async function runMoves(cell: Cell): Promise<undefined> {
  const traffic = await Traffic.start(cell, { secureFromRound: 2 })
  let moves = 0
  for (let round = 0; round < MOVE_ROUNDS; round++) {
    await traffic.round(async (topics) => {
      for (let count = 0; count < MOVES_PER_ROUND; count++) {
        const partition = moves++ % PARTITIONS
        // What is sought has two partitions.
        await Promise.all(
          topics.map((topic, at) => moveOn(cell.cluster, topic, at === 0 ? partition : moves % 2)),
        )
        await pause(MOVE_EVERY_MS)
      }
    })
  }
  await traffic.finish()
}

/** The group's partition of the offsets topic moves, and with it the coordinator. */
async function runCoordinatorMoves(cell: Cell): Promise<undefined> {
  const traffic = await Traffic.start(cell, { secureFromRound: 1, isCooperative: true })
  const partition = await coordinatingPartition(cell.cluster, cell.topic)
  for (let round = 0; round < COORDINATOR_ROUNDS; round++) {
    await traffic.round(async () => {
      for (let count = 0; count < COORDINATOR_MOVES_PER_ROUND; count++) {
        await moveOn(cell.cluster, OFFSETS_TOPIC, partition)
        await pause(MOVE_EVERY_MS)
      }
    })
  }
  await traffic.finish()
}

/** Kills the owner of partition 0 of all topics, and starts another broker. */
async function kill(cell: Cell, topics: readonly string[], atSameAddress: boolean): Promise<void> {
  const { cluster } = cell
  const owner = cluster.node(await ownerOf(cluster, cell.topic, 0))
  for (const topic of topics) await moveTo(cluster, topic, 0, owner.nodeId)
  await owner.kill()
  await cell.place.startBroker(atSameAddress ? owner.ports : undefined)
  for (const topic of topics) await untilOwned(cluster, topic)
}

/** Two kills see two codecs; the rows have different ones. */
async function runKills(cell: Cell, atSameAddress: boolean): Promise<undefined> {
  const options = atSameAddress ? { firstCodec: 3, secureFromRound: 0 } : { firstCodec: 1 }
  const traffic = await Traffic.start(cell, options)
  for (let round = 0; round < KILLS; round++) {
    await traffic.round((topics) => kill(cell, topics, atSameAddress))
  }
  await traffic.finish()
}

/** With TLS: some of the clients come over it, others do not. */
const COMMON = { brokers: 3, tls: 'some' } as const

export const disturbanceScenarios: readonly Scenario[] = [
  {
    ...COMMON,
    name: 'moves',
    title: 'The mix, while partitions move',
    run: runMoves,
  },
  {
    ...COMMON,
    name: 'coordinator-moves',
    title: 'The mix, while the group’s coordinator moves',
    run: runCoordinatorMoves,
  },
  {
    ...COMMON,
    name: 'kills',
    title: 'The mix, while owners are killed (`kill -9`)',
    isAlone: true,
    run: (cell) => runKills(cell, false),
  },
  {
    ...COMMON,
    name: 'restarts',
    title: 'The mix, while owners are killed and started anew at the same address',
    isAlone: true,
    run: (cell) => runKills(cell, true),
  },
]
