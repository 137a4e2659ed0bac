import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeObject } from '../../../operator/kube/objects.ts'
import { command } from './command.ts'
import { FOLDER, PROGRAMS } from './layout.ts'
import { NAMESPACE, type Product } from './product.ts'

const APPLICATION = 'streams-app'

/** A manifest as it would stand in git. */
export function argoManifest(object: KubeObject): string {
  const file = join(FOLDER, `argo-${object.metadata.name}.json`)
  writeFileSync(file, JSON.stringify(object))
  return file
}

/**
 * `sync`: applies the manifest as Argo CD does, by its own engine, with server-side apply and pruning.
 * `drift`: what Argo CD would show as out of sync, or prune; nothing is changed. Lines of it.
 */
export async function argo(
  what: 'sync' | 'drift',
  product: Product,
  manifest: string,
): Promise<string[]> {
  const where = [product.kube.kubeconfig, NAMESPACE, APPLICATION]
  const output = await command(join(PROGRAMS, 'argo-check'), [what, ...where, manifest])
  const lines = output.split('\n').filter((line) => line !== '')
  if (what === 'sync') return lines
  return lines.filter((line) => {
    const { prune, missing, byServer, byClient } = JSON.parse(line) as Record<string, unknown>
    return prune === true || missing === true || byServer === true || byClient === true
  })
}
