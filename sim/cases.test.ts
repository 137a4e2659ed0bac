import { expect, test } from '@jest/globals'
import { plantedBugs } from './bugs/bugs.ts'
import { cases } from './cases/cases.ts'
import { fromWithEpochs } from './cases/from-with-epochs.ts'
import { playCase } from './cases/stage.ts'

test.each(cases.map((script) => [script.name, script] as const))('%s', async (_name, script) => {
  expect(await playCase(script)).toEqual(script.expected)
})

test('a history comes out wrong where its rule is broken', async () => {
  const bug = plantedBugs.find(({ name }) => name === 'from-without-epochs')
  expect(await playCase(fromWithEpochs, bug)).toEqual([0])
})
