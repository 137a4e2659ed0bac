import { describe, expect, test } from '@jest/globals'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { plantedBugs } from './bugs/bugs.ts'
import { runSeed } from './run.ts'

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

/** What the program prints of a seed, as a process of its own. */
async function printed(seed: number): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, '--seed', String(seed)])
  return stdout
}

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

  // Within one process, what is left of the first run could make the second one the same.
  test('is the same in two processes, byte for byte', async () => {
    const [one, other] = [await printed(6), await printed(6)]
    expect(one).toMatch(/^seed 6: .* trace of \d+ lines, [0-9a-f]{16,}$/m)
    expect(other).toBe(one)
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
