import { METADATA_LOG_PREFIX, metadataLogKey } from '../../metadata/keys.ts'
import type { MetadataRecord } from '../../metadata/records.ts'
import type { Actor, Case, Stage } from './stage.ts'

async function configs(actor: Actor, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const key = `k${index}`
    const record: MetadataRecord = {
      type: 'config',
      scope: 'cluster',
      name: '',
      key,
      value: String(actor.node.log.seq),
    }
    await actor.node.append(() => [record])
  }
}

/** What `actor` has for the key that every writer of configs writes first. */
function heldBy(actor: Actor): string | undefined {
  return actor.node.image.configs.get('cluster\n\nk0')
}

async function trim(actor: Actor): Promise<number> {
  await actor.node.log.snapshot()
  return actor.node.log.trim({ keepBatches: 1 })
}

/** Trace 11, first half: an older trimmer's PUT lands late. */
export const boundaryOnlyRises: Case = {
  name: 'a boundary that lands late lowers nothing',
  rule: 'R10',
  async play(stage) {
    const [a, b] = [await stage.start(), await stage.start()]
    await configs(a, 4)
    await stage.until('B has read on', () => b.node.log.seq === a.node.log.seq)
    stage.step('B is about to raise the boundary; meanwhile A raises it further')
    const late = stage.hold(b, 'put', /^meta\/boundary/)
    const slow = trim(b).catch(() => 0)
    await stage.until('B writes its boundary', () => late.caught.length > 0)
    stage.isolate(b)
    await configs(a, 4)
    const boundary = await trim(a)
    const first = (await stage.cluster.store.truth.list({ prefix: METADATA_LOG_PREFIX }))[0]?.key
    late.release()
    await slow
    stage.step('B, which is behind the highest one, appends: not to a key that was trimmed')
    await configs(b, 1)
    stage.cluster.network.heal()
    stage.step('a new node begins with the highest one')
    const c = await stage.start()
    await stage.until('all have read on', () => {
      return c.node.log.seq === a.node.log.seq && b.node.log.seq === a.node.log.seq
    })
    const appended = heldBy(c)
    return {
      isFirst: first === metadataLogKey(boundary),
      configs: c.node.image.configs.size,
      isSame: [a, b].every((actor) => heldBy(actor) === appended),
    }
  },
  expected: { isFirst: true, configs: 4, isSame: true },
}

/** Trace 11, second half: a key that was trimmed is not the head. */
export const trimmedIsNotHead: Case = {
  name: 'a node behind the boundary neither believes nor fills the keys that were trimmed',
  rule: 'R10',
  async play(stage: Stage) {
    const [a, b] = [await stage.start(), await stage.start()]
    await stage.until('B has read on', () => b.node.log.seq === a.node.log.seq)
    const behind = b.node.log.seq
    stage.step('B’s next batch is on its way; A appends, and trims, far beyond it')
    const late = stage.hold(b, 'put', /^meta\/log/)
    const appended = configs(b, 1)
    await stage.until('B writes', () => late.caught.length > 0)
    b.broker.process.pause()
    stage.isolate(b)
    await configs(a, 6)
    await trim(a)
    const head = a.node.log.seq
    stage.step('B’s batch lands on a key that is trimmed: created, and no part of the log')
    late.release()
    await stage.until('it landed', () =>
      stage.world.trace.lines().some((line) => {
        return line.includes(`put ${metadataLogKey(behind + 1)}: created`)
      }),
    )
    stage.cluster.network.heal()
    b.broker.process.resume()
    await appended
    await stage.until('A has read on', () => a.node.log.seq === b.node.log.seq)
    return {
      isAtHead: b.node.log.seq === head + 1,
      isSame: heldBy(a) === heldBy(b),
      value: heldBy(a) === String(behind),
    }
  },
  expected: { isAtHead: true, isSame: true, value: true },
}
