import type { Case } from './stage.ts'

/** Trace 1: without epochs in `from`, an old close of the same node is taken for the newest. */
export const fromWithEpochs: Case = {
  name: 'an old epoch of a node is not taken for its newest',
  rule: 'R1',
  async play(stage) {
    const [a, b, c] = [await stage.start(), await stage.start(), await stage.start()]
    await stage.createTopic(a)
    await stage.produce(a, 0)
    stage.step('A closes epoch 0, B opens epoch 1 and acknowledges record 1')
    await stage.move(a, b)
    await stage.untilOpenAt(b)
    await stage.produce(b, 1)
    stage.step('A stands still; B dies, A gets epoch 2, and is sealed before it knows')
    a.broker.process.pause()
    stage.cluster.crash(b.broker)
    await stage.takeOver(c, b, a)
    await stage.takeOver(c, a, c)
    await stage.untilOpenAt(c)
    return stage.read(c)
  },
  expected: [0, 1],
}
