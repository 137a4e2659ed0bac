import { assert } from '../../base/assert.ts'
import { apiOf, apis } from '../protocol/api-keys.ts'
import { codecOf, encodeToBuffer, isValidVersion } from '../protocol/codec.ts'
import type { Broker } from './context.ts'
import { deleteGroups } from './delete-groups.ts'
import { describeGroups } from './describe-groups.ts'
import { commitOffsets } from './offset-commit.ts'
import { deleteOffsets } from './offset-delete.ts'
import { fetchOffsets } from './offset-fetch.ts'
import { type Asker, passedOnHeader } from './pass-on.ts'

type Answer = (broker: Broker, body: never, asker: Asker) => Promise<unknown>

/** What may be asked about a group at any broker: nothing that its members live by. */
const ANSWERS: ReadonlyMap<number, Answer> = new Map<number, Answer>([
  [apis.describeGroups.key, describeGroups],
  [apis.deleteGroups.key, deleteGroups],
  [apis.offsetDelete.key, deleteOffsets],
  [apis.offsetFetch.key, fetchOffsets],
  [apis.offsetCommit.key, commitOffsets],
])

/** Answers a call of another broker; the transport knows that it is one. Rejects what is none. */
export async function answerCall(broker: Broker, method: string, call: Buffer): Promise<Buffer> {
  const { node } = broker
  if (method !== 'group') return node.handleCall(method, call)
  assert(!node.hasEnded, 'this node has ended')
  const { key, version, bodyAt } = passedOnHeader(call)
  const api = apiOf(key)
  const answer = ANSWERS.get(key)
  // A broker of another release may know more, in the midst of an upgrade.
  if (api === undefined || answer === undefined || !isValidVersion(api.request, version)) {
    throw new Error(`what was passed on is not known here: API ${key} v${version}`)
  }
  const body = codecOf(api.request, version).decode(call, bodyAt)
  const asker: Asker = { api, version, isPassedOn: true }
  const response = await answer(broker, body as never, asker)
  return encodeToBuffer(api.response, version, response as never)
}
