import { describe, expect, test } from '@jest/globals'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Conversations, culprits } from './conversations.ts'

class FakeSocket extends EventEmitter {
  bytesRead = 0
}

const TOPIC_ID = Buffer.alloc(16, 7)

function frameOf(key: number, version: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(body.length + 4)
  head.writeInt16BE(key, 4)
  head.writeInt16BE(version, 6)
  return Buffer.concat([head, body])
}

function say(conversations: Conversations, bytes: Buffer, answeredBytes: number): void {
  const fake = new FakeSocket()
  const socket = fake as unknown as Socket
  conversations.begin(socket)
  conversations.said(socket, bytes.subarray(0, 3))
  conversations.said(socket, bytes.subarray(3))
  fake.bytesRead = answeredBytes
  fake.emit('close')
}

test('what was said is kept whole, one of each kind, and for any topic id', () => {
  const conversations = new Conversations(TOPIC_ID.toString('base64url'))
  const first = frameOf(12, 4, Buffer.concat([Buffer.from('a'), TOPIC_ID, Buffer.from('b')]))
  say(conversations, first, 10)
  say(conversations, frameOf(12, 4, Buffer.from('another')), 10)
  say(conversations, frameOf(12, 4, Buffer.from('refused')), 0)
  say(conversations, frameOf(999, 1, Buffer.alloc(0)), 0)
  say(conversations, frameOf(999, 2, Buffer.alloc(0)), 0)
  say(conversations, frameOf(12, 99, Buffer.alloc(0)), 0)
  expect([...conversations.novel.keys()]).toEqual([
    'Heartbeat v4 answered',
    'Heartbeat v4 not answered',
    'no such API not answered',
    'Heartbeat of no version not answered',
  ])
  const [kept] = conversations.newest() as [Buffer]
  expect(kept.includes(TOPIC_ID)).toBe(false)
  const other = Buffer.alloc(16, 9)
  const later = new Conversations(other.toString('base64url'))
  const expected = Buffer.from(first)
  other.copy(expected, 9)
  expect(later.forThisRun(kept)).toEqual(expected)
})

describe('culprits', () => {
  const all = Array.from({ length: 100 }, (_, at) => Buffer.from([at]))
  const holds = (some: readonly Buffer[], at: number): boolean => some.includes(all[at] as Buffer)

  test.each([0, 1, 49, 50, 99])('the one that does it is found: %d', async (at) => {
    let tries = 0
    const found = await culprits(all, async (some) => {
      tries++
      return holds(some, at)
    })
    expect(found).toEqual([all[at]])
    expect(tries).toBeLessThan(20)
  })

  test('where it takes two, they are among what is left', async () => {
    const found = await culprits(all, async (some) => holds(some, 60) && holds(some, 80))
    expect(found).not.toBeNull()
    expect(found?.length).toBeLessThan(100)
    expect(holds(found ?? [], 60) && holds(found ?? [], 80)).toBe(true)
  })

  test('what they do not cause is not laid at their door', async () => {
    expect(await culprits(all, async () => false)).toBeNull()
  })
})
