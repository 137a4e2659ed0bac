import { describe, expect, test } from '@jest/globals'
import { z } from 'zod'
import { parseResource, problemLines } from './parse-resource.ts'
import { streamCluster } from './stream-cluster.ts'

const HEAD = `apiVersion: streamcluster.io/v1alpha1
kind: StreamCluster
metadata: {name: orders}
`
const AUTOSCALING = `
  storage: {volume: {path: ./data}}
  autoscaling:
    minReplicas: 1
    maxReplicas: 5
    metrics:
    - type: Pods
      pods:
        metric: {name: streamcluster_network_bytes_per_second}
        target: {type: AverageValue, averageValue: 60M}
`

/** The first metric is one of type Object. */
function ofCluster(metric: string, target: string): string {
  return AUTOSCALING.replace('Pods', 'Object')
    .replace('pods:', 'object:')
    .replace('streamcluster_network_bytes_per_second', metric)
    .replace(/target: .*/, `target: ${target}`)
}

function problems(text: string): string[] {
  const result = parseResource(text, streamCluster)
  return result.ok ? [] : problemLines('c.yaml', result.problems)
}

describe('a StreamCluster', () => {
  test('gets the documented defaults', () => {
    const text = `${HEAD}spec:\n  storage: {volume: {path: ./data}}\n`
    const result = parseResource(text, streamCluster)
    expect(result).toMatchObject({
      ok: true,
      resource: {
        spec: { listeners: [{ name: 'plain', port: 9092, type: 'internal' }], config: {} },
      },
    })
  })

  test('takes autoscaling/v2 metrics and behavior as HPA writes them', () => {
    const text = `${HEAD}spec:${AUTOSCALING}    behavior:
      scaleUp: {stabilizationWindowSeconds: 0, tolerance: 0.05, selectPolicy: Min}
      scaleDown:
        stabilizationWindowSeconds: 120
        policies: [{type: Pods, value: 1, periodSeconds: 30}]
`
    expect(problems(text)).toEqual([])
  })

  test.each([
    [
      'an unknown field is named with its line and what is allowed',
      `${HEAD}spec:\n  storage: {volume: {path: x}}\n  replica: 3\n`,
      'c.yaml:6: spec.replica is not a field here; ' +
        'allowed: replicas, storage, listeners, config, autoscaling, rack, rebalance, ' +
        'podDisruptionBudget, monitoring, paused, deletionPolicy, image, template',
    ],
    [
      'two kinds of storage',
      `${HEAD}spec:\n  storage: {volume: {path: x}, s3: {bucket: abc}}\n`,
      'c.yaml:5: spec.storage must have exactly one of s3 and volume',
    ],
    [
      'no kind of storage',
      `${HEAD}spec:\n  storage: {}\n`,
      'c.yaml:5: spec.storage must have exactly one of s3 and volume',
    ],
    ['no storage at all', `${HEAD}spec: {}\n`, 'c.yaml:4: spec.storage is missing'],
    [
      'min above max',
      `${HEAD}spec:${AUTOSCALING.replace('minReplicas: 1', 'minReplicas: 6')}`,
      'c.yaml:7: spec.autoscaling.minReplicas must not be more than maxReplicas',
    ],
    [
      'an HPA without metrics',
      `${HEAD}spec: {storage: {volume: {path: x}}, autoscaling: {minReplicas: 1, maxReplicas: 2}}\n`,
      'c.yaml:4: spec.autoscaling.metrics is missing',
    ],
    [
      'two listeners on one port',
      `${HEAD}spec:\n  storage: {volume: {path: x}}\n  listeners:\n` +
        '  - {name: a, port: 9092, type: internal}\n  - {name: b, port: 9092, type: nodeport}\n',
      'c.yaml:6: spec.listeners must have ports that differ',
    ],
    [
      'TLS without a certificate',
      `${HEAD}spec:\n  storage: {volume: {path: x}}\n  listeners:\n` +
        '  - {name: a, port: 9092, type: internal, tls: true}\n',
      'c.yaml:7: spec.listeners[0].certificateSecretRef is missing',
    ],
    [
      'the port of the brokers themselves',
      `${HEAD}spec:\n  storage: {volume: {path: x}}\n  listeners:\n` +
        '  - {name: a, port: 9644, type: internal}\n',
      "c.yaml:6: spec.listeners must not use port 9644, which is the brokers' own",
    ],
    [
      'a metric no broker has',
      `${HEAD}spec:${AUTOSCALING.replace('network_bytes', 'disk_bytes')}`,
      "c.yaml:12: spec.autoscaling.metrics[0].pods.metric.name must be one of the brokers' " +
        'metrics: streamcluster_network_bytes_per_second, streamcluster_requests_per_second, ' +
        'streamcluster_event_loop_utilization, streamcluster_wal_backlog_bytes, ' +
        'streamcluster_saturation',
    ],
    [
      'a metric of the cluster that says of which broker it is',
      `${HEAD}spec:${ofCluster('streamcluster_saturation', '{type: Value, value: 800m}')}`,
      "c.yaml:12: spec.autoscaling.metrics[0].object.metric.name must be one of the brokers' " +
        'metrics with _max (of the hottest broker), _mean or _total: streamcluster_saturation_max, ' +
        'for one',
    ],
    [
      'a target of another type than it says',
      `${HEAD}spec:${ofCluster('streamcluster_saturation_max', '{type: Value, averageValue: 1}')}`,
      'c.yaml:13: spec.autoscaling.metrics[0].object.target.value is missing',
    ],
    [
      'a metric of another type than it says',
      `${HEAD}spec:${AUTOSCALING.replace('type: Pods', 'type: Object')}`,
      'c.yaml:11: spec.autoscaling.metrics[0].pods must be there with type Pods, and only then',
    ],
    [
      'a target that is no quantity',
      `${HEAD}spec:${AUTOSCALING.replace('60M', '60MB')}`,
      'c.yaml:13: spec.autoscaling.metrics[0].pods.target.averageValue must be a quantity that ' +
        'is not negative, such as 60M, 800m or 0.8',
    ],
    [
      'a target of nothing',
      `${HEAD}spec:${AUTOSCALING.replace('60M', '0')}`,
      'c.yaml:13: spec.autoscaling.metrics[0].pods.target.averageValue must be more than zero',
    ],
    [
      'a window beyond the limit of Kubernetes',
      `${HEAD}spec:${AUTOSCALING}    behavior: {scaleDown: {stabilizationWindowSeconds: 9000}}\n`,
      'c.yaml:14: spec.autoscaling.behavior.scaleDown.stabilizationWindowSeconds ' +
        'must be a whole number from 0 to 3600',
    ],
    [
      'another kind',
      `${HEAD.replace('StreamCluster', 'Kafka')}spec:\n  storage: {volume: {path: x}}\n`,
      'c.yaml:2: kind must be StreamCluster',
    ],
    [
      'a number where text is due',
      `${HEAD}spec:\n  storage: {volume: {path: 7}}\n`,
      'c.yaml:5: spec.storage.volume.path must be text (put it in quotes)',
    ],
    [
      'a name with capitals',
      `${HEAD.replace('orders', 'Orders')}spec: {storage: {volume: {}}}\n`,
      'c.yaml:3: metadata.name must be lower-case letters, digits and dashes, a letter first, ' +
        'at most 40',
    ],
    [
      'broken YAML',
      `${HEAD}spec: [\n`,
      'c.yaml:5: the file is not valid YAML: ' +
        'Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['an empty file', '', 'c.yaml: the file must be an object with fields'],
  ])('refuses %s', (_, text, expected) => {
    expect(problems(text)).toContain(expected)
  })

  test('tells every problem at once, in the order of the lines', () => {
    const text = `${HEAD}spec:\n  replicas: 0\n  storage: {volume: {}}\n  listeners: []\n`
    expect(problems(text).map((line) => line.slice(0, 8))).toEqual(['c.yaml:5', 'c.yaml:7'])
  })

  test('every field has a description, because the reference is made from the schema', () => {
    const bare: string[] = []
    function visit(schema: unknown, path: string): void {
      const node = schema as { description?: string; properties?: object; items?: unknown }
      for (const [name, child] of Object.entries(node.properties ?? {})) {
        if (!child.description) bare.push(`${path}.${name}`)
        visit(child, `${path}.${name}`)
      }
      if (node.items) visit(node.items, `${path}[]`)
    }
    visit(z.toJSONSchema(streamCluster, { io: 'input', reused: 'inline' }), '')
    expect(bare).toEqual([])
  })
})
