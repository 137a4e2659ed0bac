import { afterEach, expect, test } from '@jest/globals'
import type { NodeListener } from '../../metadata/records.ts'
import { apis } from '../protocol/api-keys.ts'
import { errorCode } from '../protocol/error-codes.ts'
import { createTopic, TestCluster } from '../testing/harness.ts'

const cluster = new TestCluster()
afterEach(() => cluster.stop())

function at(port: number): { listeners: NodeListener[] } {
  return { listeners: [{ name: 'default', host: 'localhost', port, security: 'plaintext' }] }
}

/** The newer one of the two at port 1 stands for a process that was started where the other died. */
test('clients never hear of two nodes with one address: the newer one is there', async () => {
  const first = await cluster.addBroker({}, {}, at(1))
  const second = await cluster.addBroker({}, {}, at(2))
  await createTopic(first, 't', [first.nodeId, second.nodeId])
  const newer = await cluster.addBroker({}, {}, at(1))
  await newer.broker.node.log.catchUp()

  const body = { topics: [{ name: 't' }], allowAutoTopicCreation: false }
  const { brokers, topics } = await newer.call(apis.metadata, 7, body, 'default')
  expect(brokers.map(({ nodeId, port }) => [nodeId, port])).toEqual([
    [second.nodeId, 2],
    [newer.nodeId, 1],
  ])
  const [dead, alive] = topics[0]?.partitions ?? []
  expect(dead).toMatchObject({ errorCode: errorCode.LEADER_NOT_AVAILABLE, leaderId: -1 })
  expect(alive).toMatchObject({ errorCode: 0, leaderId: second.nodeId })

  const asked = { includeClusterAuthorizedOperations: false }
  const described = await newer.call(apis.describeCluster, 0, asked, 'default')
  expect(described.brokers.map(({ brokerId }) => brokerId)).toEqual([second.nodeId, newer.nodeId])
})
