import { offsetsPartitionOf } from '../../broker/coordinator/group-coordinator.ts'
import { apis } from '../../broker/protocol/api-keys.ts'
import type { Cluster } from '../../e2e/lib/cluster.ts'
import { until } from '../../e2e/lib/wait.ts'
import { ask, leadersOf, metadataOf } from '../../e2e/lib/wire-client.ts'

export const OFFSETS_TOPIC = '__consumer_offsets'
/** Between one move and the next, where things move all the time. */
export const MOVE_EVERY_MS = 1_500

/**
 * Asks brokers that run, one after the other, until one answers: what a scenario does to them may
 * end any of them under the question.
 */
async function answer<T>(cluster: Cluster, question: (port: number) => Promise<T>): Promise<T> {
  let round = 0
  const [found] = await until('a broker answers the runner', async () => {
    const { running } = cluster
    const broker = running[round++ % running.length]
    if (broker === undefined) return null
    return question(broker.ports.kafka).then(
      (value) => [value] as const,
      () => null,
    )
  })
  return found
}

/** The node that owns a partition; -1: nobody. */
export async function ownerOf(cluster: Cluster, topic: string, partition: number): Promise<number> {
  for (const [nodeId, owned] of await answer(cluster, (port) => leadersOf(port, topic))) {
    if (owned.includes(partition)) return nodeId
  }
  return -1
}

/** Gives a partition to a node (AlterPartitionReassignments); waits until it is there. */
export async function moveTo(
  cluster: Cluster,
  topic: string,
  partition: number,
  to: number,
): Promise<void> {
  const body = {
    timeoutMs: 10_000,
    topics: [{ name: topic, partitions: [{ partitionIndex: partition, replicas: [to] }] }],
  }
  await until(`partition ${partition} of ${topic} goes to ${to}`, async () => {
    // Refused while its last move is not finished; the balancer moves partitions as well.
    await answer(cluster, (port) => ask(port, apis.alterPartitionReassignments, 0, body))
    return (await ownerOf(cluster, topic, partition)) === to
  })
}

/** Gives a partition to the next node. */
export async function moveOn(cluster: Cluster, topic: string, partition: number): Promise<void> {
  const nodeIds = cluster.running.map(({ nodeId }) => nodeId).sort((a, b) => a - b)
  const from = await ownerOf(cluster, topic, partition)
  const to = nodeIds[(nodeIds.indexOf(from) + 1) % nodeIds.length] ?? -1
  await moveTo(cluster, topic, partition, to)
}

/** Waits until no partition of a topic belongs to a node that is dead, or to nobody. */
export async function untilOwned(cluster: Cluster, topic: string): Promise<void> {
  await until(`every partition of ${topic} has an owner that runs`, async () => {
    const owners = [...(await answer(cluster, (port) => leadersOf(port, topic))).keys()]
    return owners.every((owner) => cluster.running.some(({ nodeId }) => nodeId === owner))
  })
}

/** The partition of the offsets topic whose owner coordinates the group. */
export async function coordinatingPartition(cluster: Cluster, groupId: string): Promise<number> {
  const { topics } = await answer(cluster, (port) => metadataOf(port, OFFSETS_TOPIC))
  return offsetsPartitionOf(groupId, topics[0]?.partitions.length ?? 0)
}
