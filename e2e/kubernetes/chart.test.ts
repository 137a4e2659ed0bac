import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { parseAllDocuments } from 'yaml'
import { CHART, helm, MANIFESTS, plainManifests } from './lib/chart.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}
interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly Rule[]
  readonly spec?: Record<string, unknown>
  readonly data?: Record<string, string>
}

/** What the chart makes with these values, as `name=value`. */
function rendered(...values: string[]): Manifest[] {
  const settings = values.flatMap((value) => ['--set', value])
  const text = helm('template', 'op', CHART, '--namespace', 'streams', ...settings)
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null)
}

function namesOf(manifests: readonly Manifest[], kind: string): string[] {
  return manifests
    .filter((manifest) => manifest.kind === kind)
    .map(({ metadata }) => [metadata.namespace, metadata.name].filter(Boolean).join('/'))
    .sort()
}

test('the chart is well formed, and deploy/operator.yaml is what it makes', () => {
  expect(helm('lint', '--strict', CHART)).toContain('0 chart(s) failed')
  // `make manifests` writes it anew.
  expect(readFileSync(MANIFESTS, 'utf8')).toBe(plainManifests())
})

describe('rights', () => {
  test('are those of a namespace, unless all are asked for', () => {
    const own = rendered()
    // Nothing but letting StreamClusters go, whose Role may have gone before them.
    expect(namesOf(own, 'ClusterRole')).toEqual(['op-streamcluster-operator-streams-finalizers'])
    expect(own.find(({ kind }) => kind === 'ClusterRole')?.rules).toEqual([
      { apiGroups: ['streamcluster.io'], resources: ['streamclusters'], verbs: ['get', 'patch'] },
    ])
    expect(namesOf(own, 'Role')).toEqual([
      'streams/op-streamcluster-operator',
      'streams/op-streamcluster-operator-leader',
    ])
    const two = rendered('watch.namespaces={a,b}')
    expect(namesOf(two, 'RoleBinding')).toEqual([
      'a/op-streamcluster-operator',
      'b/op-streamcluster-operator',
      'streams/op-streamcluster-operator-leader',
    ])
    const all = rendered('watch.allNamespaces=true')
    expect(namesOf(all, 'ClusterRole')).toEqual(['op-streamcluster-operator'])
    expect(namesOf(all, 'Role')).toEqual(['streams/op-streamcluster-operator-leader'])
  })

  test('name no wildcard, and reach no Secret but those that are named', () => {
    const roles = rendered('secretNames={orders-s3}').filter(({ kind }) => kind === 'Role')
    const rules = roles.flatMap((role) => role.rules ?? [])
    const words = rules.flatMap((rule) => [...rule.apiGroups, ...rule.resources, ...rule.verbs])
    expect(words).not.toContain('*')
    const secrets = rules.filter(({ resources }) => resources.includes('secrets'))
    expect(secrets).toEqual([
      { apiGroups: [''], resources: ['secrets'], verbs: ['get'], resourceNames: ['orders-s3'] },
    ])
  })
})

describe('the metrics API', () => {
  test('is nobody’s unless it is asked for', () => {
    expect(namesOf(rendered(), 'APIService')).toEqual([])
    const bindings = namesOf(rendered(), 'ClusterRoleBinding')
    expect(bindings).toEqual(['op-streamcluster-operator-streams-finalizers'])
  })

  test('is served without the API server’s knowing, for KEDA beside another adapter', () => {
    const manifests = rendered('metricsApi.enabled=true', 'metricsApi.register=false')
    expect(namesOf(manifests, 'APIService')).toEqual([])
    expect(namesOf(manifests, 'Service')).toEqual(['streams/op-streamcluster-operator-metrics'])
  })

  test('comes in both versions, with an authority that signed its certificate', () => {
    const manifests = rendered('metricsApi.enabled=true')
    const services = manifests.filter(({ kind }) => kind === 'APIService')
    expect(services.map(({ metadata }) => metadata.name)).toEqual([
      'v1beta1.custom.metrics.k8s.io',
      'v1beta2.custom.metrics.k8s.io',
    ])
    const secret = manifests.find(({ kind }) => kind === 'Secret')
    for (const { spec } of services) {
      expect(spec).not.toHaveProperty('insecureSkipTLSVerify')
      expect(spec?.caBundle).toBe(secret?.data?.['ca.crt'])
    }
  })
})

test.each([
  ['replicas=0', 'replicas'],
  ['metricsapi.enabled=true', 'metricsapi'],
  ['image.digest=latest', 'digest'],
  ['watch.namespaces={Upper}', 'namespaces'],
])('%s is refused, and %s is named', (value, name) => {
  expect(() => rendered(value)).toThrow(name)
})
