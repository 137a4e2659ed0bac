import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse } from 'yaml'
import { STREAM_CLUSTER_CRD_PATH, streamClusterCrd, streamClusterCrdText } from './crd.ts'

interface Schema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Record<string, Schema>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly pattern?: string
  readonly [key: string]: unknown
}

interface Version {
  readonly schema: { readonly openAPIV3Schema: Schema }
  readonly subresources: unknown
}

const [version] = (streamClusterCrd() as { spec: { versions: Version[] } }).spec.versions
const root = version?.schema.openAPIV3Schema as Schema

/** Every schema below the root, with its path. */
function nodes(schema: Schema, path: string): [string, Schema][] {
  const below: [string, Schema][] = [[path, schema]]
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    below.push(...nodes(child, `${path}.${name}`))
  }
  if (schema.items) below.push(...nodes(schema.items, `${path}[]`))
  if (typeof schema.additionalProperties === 'object') {
    below.push(...nodes(schema.additionalProperties, `${path}{}`))
  }
  return below
}

const all = nodes(root, '')

describe('the resource definition', () => {
  test('is what the schema says: make crds', () => {
    const file = join(import.meta.dirname, '..', '..', STREAM_CLUSTER_CRD_PATH)
    expect(readFileSync(file, 'utf8')).toBe(streamClusterCrdText())
    expect(parse(streamClusterCrdText())).toEqual(JSON.parse(JSON.stringify(streamClusterCrd())))
  })

  test('is structural: each value has one type, and nothing that Kubernetes forbids', () => {
    const forbidden = ['anyOf', 'oneOf', 'allOf', 'not', 'const', '$ref', 'patternProperties']
    for (const [path, node] of all) {
      const isTyped = node.type !== undefined
      const isAny = node['x-kubernetes-preserve-unknown-fields'] === true
      const isMixed = node['x-kubernetes-int-or-string'] === true
      expect([path, isTyped || isAny || isMixed]).toEqual([path, true])
      expect([path, Object.keys(node).filter((key) => forbidden.includes(key))]).toEqual([path, []])
      // Both at once are refused, and `false` too.
      expect([path, typeof node.additionalProperties]).not.toEqual([path, 'boolean'])
      if (node.properties) expect(node.additionalProperties).toBeUndefined()
    }
  })

  test('has patterns that RE2 knows: no lookaround, no backreference', () => {
    for (const [, { pattern }] of all) expect(pattern ?? '').not.toMatch(/\(\?[=!<]|\\\d/)
  })

  test('describes every field but metadata', () => {
    const bare = all.filter(
      ([path, { description }]) => !/(\[\]|\{\})$|^$|^\.metadata$/.test(path) && !description,
    )
    expect(bare.map(([path]) => path)).toEqual([])
  })

  test('can be scaled: replicas has a default, and the paths lead to fields', () => {
    expect(root.properties?.spec?.properties?.replicas?.default).toBe(3)
    expect(version?.subresources).toEqual({
      status: {},
      scale: {
        specReplicasPath: '.spec.replicas',
        statusReplicasPath: '.status.replicas',
        labelSelectorPath: '.status.selector',
      },
    })
    const paths = all.map(([path]) => path)
    expect(paths).toEqual(expect.arrayContaining(['.status.replicas', '.status.selector']))
  })

  test('bounds every list that a rule walks, or the API server takes it for too expensive', () => {
    for (const [path, node] of all) {
      const rules = JSON.stringify(node['x-kubernetes-validations'] ?? '')
      if (node.type === 'array' && rules.includes('.all(')) {
        expect([path, typeof node.maxItems]).toEqual([path, 'number'])
      }
    }
  })

  test('stays far below what an annotation of kubectl apply may hold', () => {
    expect(JSON.stringify(streamClusterCrd()).length).toBeLessThan(100_000)
  })
})
