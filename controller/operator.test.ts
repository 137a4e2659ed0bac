import { describe, expect, test } from '@jest/globals'
import { ControllerWorld } from './testing/controller-world.ts'

async function cluster(count: number): Promise<ControllerWorld> {
  const world = new ControllerWorld()
  await world.addNodes(count)
  await world.clock.advanceBy(2_000)
  return world
}

function holderOf(world: ControllerWorld): string | undefined {
  return world.log.image.scalars.controller?.holder
}

function termOf(world: ControllerWorld): number {
  return world.log.image.scalars.controller?.term ?? 0
}

describe('an operator', () => {
  test('takes the controller from a broker that is well, and keeps it', async () => {
    const world = await cluster(3)
    expect(holderOf(world)).toBe('node:1')
    await world.addOperator('operator:a')
    await world.clock.advanceBy(2_000)
    expect(holderOf(world)).toBe('operator:a')
    const term = termOf(world)
    await world.clock.advanceBy(120_000)
    expect(termOf(world)).toBe(term)
    expect(Object.values(world.statesOfNodes())).toEqual(['active', 'active', 'active'])
  })

  test('keeps it while brokers come: who is new waits to be asked', async () => {
    const world = await cluster(1)
    await world.addOperator('operator:a')
    await world.clock.advanceBy(2_000)
    const term = termOf(world)
    await world.addNodes(4)
    await world.clock.advanceBy(20_000)
    expect([holderOf(world), termOf(world)]).toEqual(['operator:a', term])
  })

  test('takes over a broker that dies', async () => {
    const world = await cluster(3)
    await world.addOperator('operator:a')
    await world.createTopic('t', [1, 1, 2, 3])
    await world.clock.advanceBy(2_000)
    world.byId(1).kill()
    await world.clock.advanceBy(2_000)
    expect(world.owners('t')).not.toContain(1)
    expect(holderOf(world)).toBe('operator:a')
  })

  test('is replaced by a broker after a while, and takes it again when it is back', async () => {
    const world = await cluster(3)
    const operator = await world.addOperator('operator:a')
    await world.clock.advanceBy(2_000)
    operator.stop()
    await world.clock.advanceBy(3_000)
    expect(holderOf(world)).toBe('operator:a')
    await world.clock.advanceBy(5_000)
    expect(holderOf(world)).toBe('node:1')
    await world.addOperator('operator:b')
    await world.clock.advanceBy(2_000)
    expect(holderOf(world)).toBe('operator:b')
  })

  test('that is absent does not keep a broker that dies from being taken over', async () => {
    const world = await cluster(3)
    const operator = await world.addOperator('operator:a')
    await world.createTopic('t', [1, 2, 3])
    await world.clock.advanceBy(2_000)
    operator.stop()
    world.byId(2).kill('no-answer')
    await world.clock.advanceBy(15_000)
    expect(world.owners('t')).not.toContain(2)
    expect(world.statesOfNodes()).toMatchObject({ 1: 'active', 3: 'active' })
  })

  test('that hears no broker ends none, and leaves the controller to them', async () => {
    const world = await cluster(3)
    const operator = await world.addOperator('operator:a')
    await world.clock.advanceBy(2_000)
    operator.isCutOff = true
    await world.clock.advanceBy(300_000)
    expect(holderOf(world)).toBe('node:1')
    expect(Object.values(world.statesOfNodes())).toEqual(['active', 'active', 'active'])
    const term = termOf(world)
    operator.isCutOff = false
    await world.clock.advanceBy(120_000)
    expect([holderOf(world), termOf(world)]).toEqual(['operator:a', term + 1])
  })
})
