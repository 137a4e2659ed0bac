import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { type Move, type PlacedNode, type PlacedPartition, planMoves, spread } from './balancer.ts'

const MEBIBYTE = 1024 * 1024

function partitionsOf(loads: readonly number[], topicId = 't'): PlacedPartition[] {
  return loads.map((bytesPerSecond, partition) => ({
    topicId,
    partition,
    bytesPerSecond,
    movable: true,
    rested: true,
  }))
}

interface ListedNode extends PlacedNode {
  readonly list: readonly PlacedPartition[]
}

function node(nodeId: number, list: readonly PlacedPartition[], draining = false): ListedNode {
  const bytesPerSecond = list.reduce((sum, each) => sum + each.bytesPerSecond, 0)
  return { nodeId, draining, count: list.length, bytesPerSecond, partitions: () => list, list }
}

/** The nodes after `moves`, with every partition free to move again. */
function afterMoves(nodes: readonly ListedNode[], moves: readonly Move[]): ListedNode[] {
  const placed = new Map(nodes.map((each) => [each.nodeId, [...each.list]]))
  for (const { topicId, partition, source, target } of moves) {
    const from = placed.get(source) ?? []
    const at = from.findIndex((each) => each.topicId === topicId && each.partition === partition)
    expect(at).toBeGreaterThanOrEqual(0)
    const [moved] = from.splice(at, 1)
    if (moved) placed.get(target)?.push(moved)
  }
  return nodes.map(({ nodeId, draining }) => node(nodeId, placed.get(nodeId) ?? [], draining))
}

function randomNodes(seed: number): ListedNode[] {
  const random = seededRandom(seed)
  const nodes: ListedNode[] = []
  for (let nodeId = 1; nodeId <= 2 + random.below(6); nodeId++) {
    const loads = Array.from({ length: random.below(40) }, () => random.below(8 * MEBIBYTE))
    nodes.push(node(nodeId, partitionsOf(loads, `t${nodeId}`)))
  }
  return nodes
}

describe('planMoves', () => {
  test('gives a new node its share', () => {
    const nodes = [node(1, partitionsOf(Array(12).fill(0))), node(2, [])]
    const counts = afterMoves(nodes, planMoves(nodes, 100)).map(({ list }) => list.length)
    expect(Math.abs((counts[0] ?? 0) - (counts[1] ?? 0))).toBeLessThanOrEqual(2)
  })

  test('empties a draining node, and gives it nothing', () => {
    const nodes = [node(1, partitionsOf([1, 2, 3]), true), node(2, []), node(3, [])]
    const moves = planMoves(nodes, 100)
    expect(moves.map(({ source }) => source)).toEqual([1, 1, 1])
    expect(afterMoves(nodes, moves)[0]?.list).toEqual([])
  })

  test('moves nothing that may not move', () => {
    const stuck = partitionsOf([1, 2, 3, 4]).map((each) => ({ ...each, movable: false }))
    expect(planMoves([node(1, stuck), node(2, [])], 100)).toEqual([])
  })

  test('what it has arranged it leaves alone, whatever the loads', () => {
    for (let seed = 0; seed < 200; seed++) {
      const nodes = randomNodes(seed)
      let arranged = afterMoves(nodes, planMoves(nodes, 10_000))
      // Nothing moves twice within one plan, so very uneven loads may take a few rounds.
      for (let round = 0; round < 20; round++) {
        arranged = afterMoves(arranged, planMoves(arranged, 10_000))
      }
      expect({ seed, moves: planMoves(arranged, 10_000) }).toEqual({ seed, moves: [] })
    }
  })

  test('asks nobody for partitions where nothing is to move', () => {
    const fail = (): never => {
      throw new Error('asked')
    }
    const nodes = Array.from({ length: 5 }, (_, at) => node(at, partitionsOf([1, 2, 3])))
    expect(
      planMoves(
        nodes.map((each) => ({ ...each, partitions: fail })),
        100,
      ),
    ).toEqual([])
  })

  test('does not depend on the order of its input', () => {
    for (let seed = 0; seed < 50; seed++) {
      const nodes = randomNodes(seed)
      const turned = [...nodes]
        .reverse()
        .map(({ nodeId, list }) => node(nodeId, [...list].reverse()))
      expect(afterMoves(turned, planMoves(turned, 50)).reverse().map(names)).toEqual(
        afterMoves(nodes, planMoves(nodes, 50)).map(names),
      )
    }
  })

  test('comes to rest under any limit, with drained nodes empty and counts even', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const movesMax = 1 + random.below(6)
      let nodes = randomNodes(seed).map((each, at) => ({ ...each, draining: at === 1 }))
      let rounds = 0
      for (let moves = planMoves(nodes, movesMax); moves.length > 0; rounds++) {
        expect(moves.length).toBeLessThanOrEqual(movesMax)
        expect(rounds).toBeLessThan(1_000)
        nodes = afterMoves(nodes, moves)
        moves = planMoves(nodes, movesMax)
      }
      const active = nodes.filter(({ draining }) => !draining)
      const counts = active.map(({ list }) => list.length)
      const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
      for (const count of counts) {
        expect(Math.abs(count - mean)).toBeLessThanOrEqual(Math.max(1, mean * 0.1))
      }
      expect(nodes[1]?.list).toEqual([])
    }
  })

  test('with several draining nodes and a limit, the order of its input decides nothing', () => {
    for (let seed = 0; seed < 50; seed++) {
      const nodes = randomNodes(seed).map((each, at) => ({ ...each, draining: at % 2 === 0 }))
      expect(planMoves([...nodes].reverse(), 7)).toEqual(planMoves(nodes, 7))
    }
  })

  test('keeps the shares of those that are missing: nothing moves twice, however they come', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const [before, coming] = [1 + random.below(4), 1 + random.below(4)]
      const count = 40 * (before + coming) + random.below(40)
      let nodes = Array.from({ length: before }, (_, at) =>
        node(at + 1, partitionsOf(Array(Math.floor(count / before)).fill(0), `t${at + 1}`)),
      )
      const moved = new Map<string, number>()
      for (let nth = 1; nth <= coming; nth++) {
        nodes.push(node(before + nth, []))
        for (let round = 0; round < 10; round++) {
          const moves = planMoves(nodes, 1_000, coming - nth)
          for (const { topicId, partition } of moves) {
            const id = `${topicId}/${partition}`
            moved.set(id, (moved.get(id) ?? 0) + 1)
          }
          nodes = afterMoves(nodes, moves)
        }
      }
      const counts = nodes.map(({ list }) => list.length)
      const mean = counts.reduce((sum, each) => sum + each, 0) / counts.length
      expect({ seed, twice: [...moved.values()].filter((times) => times > 1) }).toEqual({
        seed,
        twice: [],
      })
      for (const each of counts) {
        expect(Math.abs(each - mean)).toBeLessThanOrEqual(Math.max(1, mean * 0.1))
      }
    }
  })

  test('moves nothing for the looks of it while some are missing', () => {
    const counts = [45, 46, 47, 50, 52, 54, 55, 55, 46, 50]
    const nodes = counts.map((count, at) =>
      node(at + 1, partitionsOf(Array(count).fill(0), `t${at}`)),
    )
    expect(planMoves(nodes, 100)).toEqual([])
    expect(planMoves(nodes, 100, 1)).toEqual([])
  })

  test('leaves loads as they are while some are missing', () => {
    const nodes = [
      node(
        1,
        partitionsOf(
          [8, 8, 8].map((each) => each * MEBIBYTE),
          'hot',
        ),
      ),
    ]
    nodes.push(node(2, partitionsOf([0, 0, 0], 'cold')))
    expect(planMoves(nodes, 100, 1)).toEqual([])
    expect(planMoves(nodes, 100, 0)).not.toEqual([])
  })

  test('leaves one heavy partition where it is: anywhere else it would weigh as much', () => {
    const alone = [node(1, partitionsOf([50 * MEBIBYTE])), node(2, [])]
    expect(planMoves(alone, 100)).toEqual([])
    const heavy = [50 * MEBIBYTE, 0, 0, 0]
    const beside = [node(1, partitionsOf(heavy, 'a')), node(2, partitionsOf([0, 0, 0, 0], 'b'))]
    expect(planMoves(beside, 100)).toEqual([])
  })

  test('evens measured loads while counts stay even', () => {
    const hot = partitionsOf(Array(6).fill(4 * MEBIBYTE), 'hot')
    const cold = partitionsOf(Array(6).fill(0), 'cold')
    const nodes = [node(1, hot), node(2, cold)]
    const arranged = afterMoves(nodes, planMoves(nodes, 100))
    const loads = arranged.map(({ list }) =>
      list.reduce((sum, { bytesPerSecond }) => sum + bytesPerSecond, 0),
    )
    expect(Math.max(...loads)).toBeLessThanOrEqual(16 * MEBIBYTE)
    const counts = arranged.map(({ list }) => list.length)
    expect(Math.max(...counts)).toBeLessThanOrEqual(7)
  })

  test('what moved lately stays where it is while others can move instead', () => {
    const lately = partitionsOf([1, 1, 1], 'lately').map((each) => ({ ...each, rested: false }))
    const nodes = [node(1, [...lately, ...partitionsOf([1, 1, 1, 1, 1], 'old')]), node(2, [])]
    const moves = planMoves(nodes, 100)
    expect(moves.length).toBeGreaterThan(0)
    expect(moves.filter(({ topicId }) => topicId === 'lately')).toEqual([])
  })
})

function names({ list }: ListedNode): string[] {
  return list.map(({ topicId, partition }) => `${topicId}/${partition}`).sort()
}

test('spread evens out what nodes own', () => {
  const targets = spread(10, [
    { nodeId: 1, count: 8 },
    { nodeId: 2, count: 0 },
    { nodeId: 3, count: 3 },
  ])
  expect(targets.filter((target) => target === 1).length).toBe(0)
  expect(targets.filter((target) => target === 2).length).toBeGreaterThanOrEqual(6)
  expect(spread(3, [])).toEqual([])
})
