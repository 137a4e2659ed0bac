import { checkpointKey } from '../../metadata/keys.ts'
import type { Case } from './stage.ts'

/** Trace 3: a checkpoint was in flight while the taker read the older one. */
export const noTrimWhenSealed: Case = {
  name: 'a node that is sealed deletes nothing a taker may be reading',
  rule: 'R6',
  async play(stage) {
    const [a, b, c] = [await stage.start(), await stage.start(), await stage.start()]
    await stage.createTopic(a)
    for (const record of [0, 1]) {
      await a.node.checkpointer.flush()
      await stage.produce(a, record)
    }
    await a.node.checkpointer.flush()
    const newest = a.node.wal.durableEnd - 1
    await stage.produce(a, 2)
    stage.step('A’s next checkpoint is on its way; A hears no news')
    stage.isolate(a)
    const late = stage.hold(a, 'put', /^ckpt/)
    const flushed = a.node.checkpointer.flush().catch(() => undefined)
    stage.step('A is sealed, and B begins to read the older checkpoint')
    const reading = stage.hold(b, 'get', /^ckpt/)
    await stage.takeOver(c, a, b)
    await stage.until('B reads', () => reading.caught.length > 0)
    stage.step('the checkpoint lands, and A would delete the ones before it')
    late.release()
    await flushed
    const isThere = await stage.exists(checkpointKey(a.nodeId, newest))
    reading.release()
    await stage.untilOpenAt(b)
    return { isThere, read: await stage.read(b) }
  },
  expected: { isThere: true, read: [0, 1, 2] },
}
