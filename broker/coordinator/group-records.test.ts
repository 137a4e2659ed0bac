import { describe, expect, test } from '@jest/globals'
import { buildBatch, decodeRecords } from '../protocol/record-batch.ts'
import { offsetsPartitionOf } from './group-coordinator.ts'
import { decodeGroupRecord, encodeGroupRecord, type GroupRecord } from './group-records.ts'
import { topicsOf } from './subscription.ts'

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAw'

function throughTheLog(record: GroupRecord): GroupRecord | null {
  const batch = buildBatch([{ ...encodeGroupRecord(record), timestamp: 0 }])
  const [decoded] = decodeRecords(batch)
  return decoded === undefined ? null : decodeGroupRecord(decoded)
}

const offset = {
  offset: 7,
  leaderEpoch: 3,
  metadata: 'nöte',
  commitTimestamp: 1_700_000_000_000,
  expireTimestamp: -1,
  topicId: TOPIC_ID,
}
const member = {
  memberId: 'c-1',
  groupInstanceId: 'one',
  clientId: 'c',
  clientHost: '/127.0.0.1',
  rebalanceTimeout: 60_000,
  sessionTimeout: 10_000,
  subscription: Buffer.from('s'),
  assignment: Buffer.from('a'),
}
const group = {
  protocolType: 'consumer',
  generation: 4,
  protocol: 'range',
  leader: 'c-1',
  currentStateTimestamp: 1_700_000_000_000,
  members: [member],
}

describe('a record comes back from the log as it was', () => {
  const at = { groupId: 'g', topic: 't', partition: 2 }
  test.each<[string, GroupRecord]>([
    ['an offset', { type: 'offset', ...at, value: offset }],
    ['a deleted offset', { type: 'offset', ...at, value: null }],
    ['a group', { type: 'group', groupId: 'g', value: group }],
    [
      'an empty group',
      {
        type: 'group',
        groupId: '',
        value: { ...group, protocolType: '', protocol: null, leader: null, members: [] },
      },
    ],
    ['a deleted group', { type: 'group', groupId: 'g', value: null }],
  ])('%s', (_what, record) => {
    expect(throughTheLog(record)).toEqual(record)
  })

  test('an offset with a retention time of its own, but for its epoch and topic id', () => {
    const value = { ...offset, expireTimestamp: 1_800_000_000_000 }
    const kept = { ...value, leaderEpoch: -1, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }
    const record: GroupRecord = { type: 'offset', ...at, value }
    expect(throughTheLog(record)).toEqual({ ...record, value: kept })
  })
})

test('records of other kinds, and of versions to come, are left alone', () => {
  const { key, value } = encodeGroupRecord({ type: 'group', groupId: 'g', value: group })
  const record = { offset: 0, timestamp: 0, headers: [] }
  const otherKind = Buffer.concat([Buffer.from([0, 3]), key.subarray(2)])
  expect(decodeGroupRecord({ ...record, key: otherKind, value })).toBe(null)
  const later = Buffer.concat([Buffer.from([0, 5]), (value ?? key).subarray(2)])
  expect(decodeGroupRecord({ ...record, key, value: later })).toBe(null)
  const negative = Buffer.concat([Buffer.from([0xff, 0x7f]), (value ?? key).subarray(2)])
  expect(decodeGroupRecord({ ...record, key, value: negative })).toBe(null)
  expect(decodeGroupRecord({ ...record, key: null, value })).toBe(null)
})

test('a value that ends within its version is malformed', () => {
  const { key } = encodeGroupRecord({ type: 'group', groupId: 'g', value: group })
  for (const value of [Buffer.alloc(0), Buffer.alloc(1)]) {
    const record = { offset: 0, timestamp: 0, headers: [], key, value }
    expect(() => decodeGroupRecord(record)).toThrow('a value has no version')
  }
})

// What Java's String.hashCode says, and Kafka's Utils.abs makes of it.
test.each([
  ['', 0],
  ['a', 97 % 50],
  ['test-group', 12],
  ['kg', 20],
  ['js', 1],
  ['polygenelubricants', 0],
  ['größe', 7],
])('group %j belongs to partition %d of 50', (groupId, partition) => {
  expect(offsetsPartitionOf(groupId, 50)).toBe(partition)
})

test('the topics of a subscription are read, of any version, and of nothing else', () => {
  const bytes = Buffer.from('0003000000020001610002c3b6ffffffff00000000', 'hex')
  expect(topicsOf(bytes)).toEqual(['a', 'ö'])
  for (let end = 0; end < 13; end++) expect(topicsOf(bytes.subarray(0, end))).toBe(null)
})
