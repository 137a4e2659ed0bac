import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { parse } from 'yaml'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDER = join(ROOT, 'gitops/argocd/streamcluster.io/StreamCluster')

interface HealthCase {
  readonly inputPath: string
  readonly healthStatus: { readonly status: string; readonly message: string }
}

/** The cases as Argo CD's own repository has them beside every health check. */
const { tests } = parse(readFileSync(join(FOLDER, 'health_test.yaml'), 'utf8')) as {
  tests: HealthCase[]
}

test.each(tests)('$inputPath is $healthStatus.status', ({ inputPath, healthStatus }) => {
  const program = join(ROOT, '.cache/bin/argo-check')
  const input = readFileSync(join(FOLDER, inputPath))
  const run = spawnSync(program, ['health', join(FOLDER, 'health.lua')], { input })
  expect(run.stderr.toString()).toBe('')
  expect(JSON.parse(run.stdout.toString())).toEqual(healthStatus)
})
