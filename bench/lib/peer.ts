import { Admin } from '@platformatic/kafka'

/** One of the brokers that are held side by side. */
export interface Peer {
  readonly name: string
  readonly pid: number
  /** host:port for clients. */
  readonly bootstrap: string
  /** Deletes the topic and everything that its records left on the disk. */
  forget(topic: string): Promise<void>
  stop(): Promise<void>
}

type Reachable = Pick<Peer, 'bootstrap'>

const ADMIN_MS_MAX = 60_000

async function withAdmin<T>(peer: Reachable, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({
    clientId: 'bench',
    bootstrapBrokers: [peer.bootstrap],
    timeout: ADMIN_MS_MAX,
    requestTimeout: ADMIN_MS_MAX,
  })
  try {
    return await work(admin)
  } finally {
    await admin.close()
  }
}

let topicCount = 0

/** Makes a topic that never was before, and returns its name. */
export async function createTopic(peer: Reachable, partitions: number): Promise<string> {
  const topic = `bench-${process.pid}-${topicCount++}`
  await withAdmin(peer, (admin) => admin.createTopics({ topics: [topic], partitions, replicas: 1 }))
  return topic
}

export async function deleteTopic(peer: Reachable, topic: string): Promise<void> {
  await withAdmin(peer, (admin) => admin.deleteTopics({ topics: [topic] }))
}

/** The leader of each partition of `topic`, by the partition's index. */
export async function leadersOf(peer: Reachable, topic: string): Promise<number[]> {
  return withAdmin(peer, async (admin) => {
    const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
    const partitions = metadata.topics.get(topic)?.partitions ?? []
    return Object.values(partitions).map(({ leader }) => leader)
  })
}
