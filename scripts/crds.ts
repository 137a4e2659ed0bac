/** Writes the resource definitions that are made from operator/api; `make crds` runs it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { STREAM_CLUSTER_CRD_PATH, streamClusterCrdText } from '../operator/api/crd.ts'

const path = join(import.meta.dirname, '..', STREAM_CLUSTER_CRD_PATH)
mkdirSync(dirname(path), { recursive: true })
writeFileSync(path, streamClusterCrdText())
process.stdout.write(`wrote ${STREAM_CLUSTER_CRD_PATH}\n`)
