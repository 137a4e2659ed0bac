import { describe, expect, test } from '@jest/globals'
import { plantedBugs } from './bugs/bugs.ts'
import { runSeed } from './run.ts'

describe('a run', () => {
  test.each([1, 2, 3, 4, 5])(
    'of seed %i keeps every property, under enough faults',
    async (seed) => {
      const { violation, acked, crashes, moves } = await runSeed({ seed })
      expect(violation).toBeNull()
      expect(acked).toBeGreaterThanOrEqual(1_000)
      expect(Math.min(crashes, moves)).toBeGreaterThanOrEqual(3)
    },
  )

  test('is the same for the same seed, byte for byte, and another for another', async () => {
    const once = await runSeed({ seed: 6, keepsAll: true })
    const twice = await runSeed({ seed: 6, keepsAll: true })
    expect(twice.lines).toEqual(once.lines)
    expect(twice.digest).toBe(once.digest)
    expect((await runSeed({ seed: 7 })).digest).not.toBe(once.digest)
  })
})

test.each(plantedBugs.slice(0, 3).map((bug) => [bug.about, bug] as const))(
  'it is found that %s',
  async (_about, plant) => {
    let found = 0
    for (let seed = 1; seed <= 10 && found === 0; seed++) {
      if ((await runSeed({ seed, plant })).violation !== null) found = seed
    }
    expect(found).toBeGreaterThan(0)
  },
)
