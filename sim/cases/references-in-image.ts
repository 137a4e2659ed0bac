import { forgettableNodes, forgetNode } from '../../controller/forget.ts'
import { walPrefix } from '../../metadata/keys.ts'
import type { Case } from './stage.ts'

/** Trace 2: whoever looked for references in checkpoints would miss the one that is moving. */
export const referencesInImage: Case = {
  name: 'objects stay while another node needs them, whatever the checkpoints say',
  rule: 'R5',
  async play(stage) {
    const [a, b, c] = [await stage.start(), await stage.start(), await stage.start()]
    await stage.createTopic(a)
    await stage.produce(a, 0)
    stage.step('P moves from A to B; both write checkpoints, of which A’s knows P no more')
    await stage.move(c, b)
    await stage.untilOpenAt(b)
    await stage.until('from is cleared', () => stage.ownership(a).from.length === 0)
    await a.node.checkpointer.flush()
    stage.step('A goes; everything that nobody refers to is deleted')
    await a.node.drain(1_000)
    await stage.until('C knows that A is sealed', () => {
      return c.node.image.nodes.get(a.nodeId)?.state === 'sealed'
    })
    const forgotten = forgettableNodes(c.node.image)
    for (const nodeId of forgotten) await forgetNode(c.node.log, c.node.options.store, nodeId)
    await stage.produce(b, 1)
    const left = await stage.cluster.store.truth.list({ prefix: walPrefix(a.nodeId) })
    return {
      forgotten,
      refs: stage.ownership(b).refs,
      left: left.length,
      read: await stage.read(b),
    }
  },
  // A's open entry with record 0 (or two objects of them), its close, and its fence.
  expected: { forgotten: [], refs: [1], left: 4, read: [0, 1] },
}
