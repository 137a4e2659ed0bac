import { forgetNode } from '../../controller/forget.ts'
import type { Case } from './stage.ts'

/** Trace 6: the fenced node was paused all along, and everything of it is deleted meanwhile. */
export const fenceStays: Case = {
  name: 'a paused node is fenced even after it was forgotten',
  rule: 'R7',
  async play(stage) {
    const [a, b, c] = [await stage.start(), await stage.start(), await stage.start()]
    await stage.createTopic(a)
    stage.step('A stands still, is taken over, and then nothing refers to it any more')
    a.broker.process.pause()
    const answer = stage.produce(a, 9)
    await stage.takeOver(c, a, b)
    await stage.untilOpenAt(b)
    await stage.until('nothing refers to A', () => {
      const { from, refs } = stage.ownership(c)
      return from.length === 0 && refs.length === 0
    })
    await forgetNode(c.node.log, c.node.options.store, a.nodeId)
    const isGone = !c.node.image.nodes.has(a.nodeId)
    await stage.produce(b, 0)
    stage.step('A wakes up and writes what it was asked to')
    a.broker.process.resume()
    const offset = await answer
    return { isGone, offset, hasEnded: a.node.hasEnded, read: await stage.read(b) }
  },
  expected: { isGone: true, offset: null, hasEnded: true, read: [0] },
}
