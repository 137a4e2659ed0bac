import { runSeed } from '../run.ts'
import { plantedBugs } from './bugs.ts'

/** Plants each bug in seed after seed until one finds it. False when any stays hidden. */
export async function findBugs(first: number, last: number): Promise<boolean> {
  let hiddenCount = 0
  for (const bug of plantedBugs) {
    let found: string | null = null
    for (let seed = first; seed <= last && found === null; seed++) {
      const { violation } = await runSeed({ seed, plant: bug })
      if (violation !== null) found = `seed ${seed}: ${violation.property}`
    }
    if (found === null) hiddenCount++
    console.log(`${bug.name} (${bug.about})\n  ${found ?? `NOT FOUND in seeds ${first}..${last}`}`)
  }
  console.log(`${plantedBugs.length - hiddenCount} found, ${hiddenCount} hidden`)
  return hiddenCount === 0
}
