import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const HELM = join(ROOT, '.cache/bin/helm')
export const CHART = join(ROOT, 'charts/streamcluster-operator')
export const MANIFESTS = join(ROOT, 'deploy/operator.yaml')
const NAMESPACE = 'streamcluster'

const HEADER = `# Made from charts/streamcluster-operator by \`make manifests\`; do not edit it by hand.\n`

/** Runs Helm; throws with what it said if it fails. */
export function helm(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(HELM, args, { encoding: 'utf8' })
  if (error !== undefined) throw new Error(`${HELM} cannot be run: scripts/build-kubernetes.sh`)
  if (status !== 0) throw new Error(`${stdout}${stderr}`)
  return stdout
}

/** The chart with its defaults, as plain manifests: without what only Helm needs. */
export function plainManifests(): string {
  const text = helm('template', 'streamcluster-operator', CHART, '--namespace', NAMESPACE)
  const ofHelm = /^# Source|helm\.sh\/chart|app\.kubernetes\.io\/managed-by: Helm/
  const lines = text.split('\n').filter((line) => !ofHelm.test(line.trim()))
  return HEADER + lines.join('\n')
}
