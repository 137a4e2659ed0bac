import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { apis } from '../protocol/api-keys.ts'
import { errorName } from '../protocol/error-codes.ts'
import { createTopic, type TestBroker, TestCluster } from '../testing/harness.ts'
import { ZERO_UUID } from './context.ts'

const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

let cluster: TestCluster
let client: TestBroker

beforeAll(async () => {
  cluster = await TestCluster.start(1)
  client = cluster.brokers[0] as TestBroker
  await createTopic(client, 't')
})
afterAll(() => cluster.stop())

async function errorOf(version: number, topic: { name: string | null; topicId: string }) {
  const { topics } = await client.call(apis.metadata, version, {
    topics: [topic],
    allowAutoTopicCreation: false,
    includeClusterAuthorizedOperations: false,
    includeTopicAuthorizedOperations: false,
  })
  return errorName(topics[0]?.errorCode ?? -1)
}

test.each([10, 11])('version %i has topic ids, and does not take them in questions', async (v) => {
  expect(await errorOf(v, { name: 't', topicId: ZERO_UUID })).toBe('NONE')
  expect(await errorOf(v, { name: null, topicId: OTHER_ID })).toBe('INVALID_REQUEST')
  expect(await errorOf(v, { name: 't', topicId: OTHER_ID })).toBe('INVALID_REQUEST')
  expect(await errorOf(v, { name: null, topicId: ZERO_UUID })).toBe('INVALID_REQUEST')
})

test.each([12, 13])('version %i answers an unknown id without a name', async (v) => {
  expect(await errorOf(v, { name: null, topicId: OTHER_ID })).toBe('UNKNOWN_TOPIC_ID')
})
