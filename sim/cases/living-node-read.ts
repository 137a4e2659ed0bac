import type { Case, Stage, Actor } from './stage.ts'

/** P moves from A to B, but A does not hear of it; B reads A's log and is held back in it. */
async function readsLivingNode(stage: Stage): Promise<{
  a: Actor
  b: Actor
  c: Actor
  otherTopic: string
  reading: ReturnType<Stage['hold']>
}> {
  const [a, b, c] = [await stage.start(), await stage.start(), await stage.start()]
  await stage.createTopic(a)
  const otherTopic = await stage.createTopic(a)
  await a.node.checkpointer.flush()
  await stage.produce(a, 0)
  stage.isolate(a)
  stage.step('P moves to B, which A does not hear; B reads A’s older checkpoint')
  const reading = stage.hold(b, 'get', /^ckpt/)
  await stage.move(c, b)
  await stage.until('B reads', () => reading.caught.length > 0)
  return { a, b, c, otherTopic, reading }
}

/** Trace 4: what was read of a living node is old once the node is sealed. */
export const scanOfLivingNode: Case = {
  name: 'what was read of a living node does not count once it is sealed',
  rule: 'R3',
  async play(stage) {
    const { a, b, c, reading } = await readsLivingNode(stage)
    stage.step('A acknowledges record 1, writes a checkpoint, and is sealed')
    await stage.produce(a, 1)
    await a.node.checkpointer.flush()
    await stage.takeOver(c, a, b)
    reading.release()
    await stage.untilOpenAt(b)
    return stage.read(b)
  },
  expected: [0, 1],
}

/** Trace 5: a fence lies on a key that was trimmed, and an older checkpoint leads there. */
export const fenceOnTrimmedKey: Case = {
  name: 'a fence below the checkpoint fences nobody, and ends no reading',
  rule: 'R3',
  async play(stage) {
    const { a, b, c, otherTopic, reading } = await readsLivingNode(stage)
    stage.step('C is about to fence A at its first gap')
    const gap = a.node.wal.nextSeq
    const fencing = stage.hold(c, 'put', /^wal/)
    const taken = stage.takeOver(c, a, b)
    await stage.until('the fence is on its way', () => fencing.caught.length > 0)
    stage.step('A writes there, writes a checkpoint, and trims (played by the case)')
    await stage.produce(a, 7, otherTopic)
    await stage.produce(a, 1)
    await a.node.checkpointer.flush()
    const trimmed = fencing.caught[0]?.key as string
    await stage.cluster.store.truth.delete([trimmed])
    stage.step('the fence lands on the trimmed key, and B goes on with the older checkpoint')
    fencing.release()
    const sealedEnd = (await taken)?.sealedEnd as number
    reading.release()
    await stage.untilOpenAt(b)
    const fenceLanded = await stage.exists(trimmed)
    return { fenceLanded, isAbove: sealedEnd > gap, read: await stage.read(b) }
  },
  expected: { fenceLanded: true, isAbove: true, read: [0, 1] },
}
