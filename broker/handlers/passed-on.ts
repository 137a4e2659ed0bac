import { assert } from '../../base/assert.ts'
import { apiOf, apis } from '../protocol/api-keys.ts'
import { codecOf, encodeToBuffer, isValidVersion } from '../protocol/codec.ts'
import type { Broker } from './context.ts'
import { deleteGroups } from './delete-groups.ts'
import { describeGroups } from './describe-groups.ts'
import { deleteOffsets } from './offset-delete.ts'
import { fetchOffsets } from './offset-fetch.ts'
import { type Asker, passedOnHeader } from './pass-on.ts'
import { RecentCalls } from './recent-calls.ts'

type Answer = (broker: Broker, body: never, asker: Asker) => Promise<unknown>

/**
 * What may be asked about a group at any broker. Commits may not: those of one client are to be done in
 * its order, which calls of their own do not keep; and a member has to know where its group is.
 */
const ANSWERS: ReadonlyMap<number, Answer> = new Map<number, Answer>([
  [apis.describeGroups.key, describeGroups],
  [apis.deleteGroups.key, deleteGroups],
  [apis.offsetDelete.key, deleteOffsets],
  [apis.offsetFetch.key, fetchOffsets],
])

/**
 * What answers calls of other brokers; the transport knows that they are. It rejects what is none, and
 * whatever is said again that might change something: news, pings and handoffs may be.
 */
export function callAnswerer(broker: Broker): (method: string, call: Buffer) => Promise<Buffer> {
  const recent = new RecentCalls()
  return async (method, call) => {
    if (method !== 'group') return broker.node.handleCall(method, call)
    return answerPassedOn(broker, recent, call)
  }
}

async function answerPassedOn(broker: Broker, recent: RecentCalls, call: Buffer): Promise<Buffer> {
  assert(!broker.node.hasEnded, 'this node has ended')
  const { key, version, sentMs, nonce, bodyAt } = passedOnHeader(call)
  if (!recent.take(nonce.toString('latin1'), sentMs, broker.clock.wallMs())) {
    throw new Error('what was passed on was sent before, or long ago, by the clocks of two brokers')
  }
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
