import { writeFileSync } from 'node:fs'
import { MANIFESTS, plainManifests } from '../e2e/kubernetes/lib/chart.ts'

/** Writes deploy/operator.yaml from the Helm chart (`make manifests`). */
writeFileSync(MANIFESTS, plainManifests())
