import type { Case } from './stage.ts'

/** Trace 7: the old owner's checkpoint is newer than its close, and all that is left to read. */
export const closedInCheckpoint: Case = {
  name: 'a checkpoint holds what was closed until the next owner has it',
  rule: 'R4',
  async play(stage) {
    const [a, b, c] = [await stage.start(), await stage.start(), await stage.start()]
    await stage.createTopic(a)
    await stage.produce(a, 0)
    stage.step('A closes P for B, which stands still; the hint is lost')
    b.broker.process.pause()
    stage.isolate(b)
    await stage.move(c, b)
    await stage.until('A has closed P', () => a.node.partitions.size === 0)
    await a.node.checkpointer.flush()
    stage.step('A dies; B wakes up and finds only A’s checkpoint')
    stage.cluster.crash(a.broker)
    await stage.takeOver(c, a, c)
    stage.cluster.network.heal()
    b.broker.process.resume()
    b.node.log.poke()
    await stage.untilOpenAt(b)
    return stage.read(b)
  },
  expected: [0],
}
