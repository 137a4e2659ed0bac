import { describe, expect, test } from '@jest/globals'
import { seededRandom } from '../base/random.ts'
import { readCorpus } from './corpus.ts'
import { mutated } from './decoders/mutate.ts'
import { outcomeOf } from './decoders/target.ts'
import { targets } from './decoders/targets/index.ts'

const CHANGED_COUNT = 300
const BYTES_MAX = 4_096

describe.each(targets.map((target) => [target.name, target] as const))('%s', (name, target) => {
  test('reads its valid inputs', async () => {
    for (const input of target.seeds(seededRandom(1))) {
      const outcome = await outcomeOf(target, Buffer.from(input))
      expect(outcome.fault).toBeNull()
    }
  })

  test('answers all that was kept, and inputs made of it, as is declared', async () => {
    const random = seededRandom(1)
    const corpus = readCorpus(name)
    expect(corpus.length).toBeGreaterThan(0)
    const pool = [...corpus, ...target.seeds(random)]
    const changed = Array.from({ length: CHANGED_COUNT }, () => {
      const [base, other] = [pool[random.below(pool.length)], pool[random.below(pool.length)]]
      const input = mutated(random, base as Buffer, other as Buffer, BYTES_MAX)
      target.repair?.(input)
      return input
    })
    for (const input of [...corpus, ...changed]) {
      const outcome = await outcomeOf(target, Buffer.from(input))
      if (outcome.fault !== null)
        throw new Error(input.toString('base64'), { cause: outcome.fault })
    }
  })
})
