import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { apis } from '../broker/protocol/api-keys.ts'
import { fetchBody, produceBody } from './lib/api-bodies.ts'
import { Cluster } from './lib/cluster.ts'
import { topicIdOf } from './lib/fetch.ts'
import { batchOf } from './lib/produce.ts'
import { ask } from './lib/wire-client.ts'

const DOCUMENT = fileURLToPath(new URL('../docs/architecture.md', import.meta.url))
const TOPIC = 'measured'

let cluster: Cluster
/** Of a broker that has served one produce and one fetch, as Prometheus gets it. */
let exposition = ''

beforeAll(async () => {
  cluster = await Cluster.start(1)
  const { kafka, admin } = cluster.running[0]?.ports ?? { kafka: 0, admin: 0 }
  await cluster.createTopic(TOPIC, 1)
  await ask(kafka, apis.produce, 12, produceBody(TOPIC, new Map([[0, batchOf('x')]])))
  const topicId = await topicIdOf(kafka, TOPIC)
  await ask(kafka, apis.fetch, 16, fetchBody(topicId, [{ partition: 0, fetchOffset: 0 }]))
  exposition = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
})
afterAll(() => cluster.close())

/** The names in the two paragraphs of docs/architecture.md that list them. */
function documented(): string[] {
  const text = readFileSync(DOCUMENT, 'utf8')
  const namesIn = (begin: string): string[] => {
    const start = text.indexOf(begin)
    expect(start).toBeGreaterThan(0)
    const paragraph = text.slice(start, text.indexOf('\n\n', start)).split(':').slice(1).join(':')
    return [...paragraph.matchAll(/`([a-z_]+)`/g)].map(([, name = '']) => name)
  }
  const ours = namesIn('Metrics begin with `streamcluster_`:')
  const others = namesIn("With names of Prometheus' own:")
  return [...ours.map((name) => `streamcluster_${name}`), ...others]
}

function seriesValue(series: string): number {
  const line = exposition.split('\n').find((each) => each.startsWith(`${series} `))
  return Number(line?.slice(series.length))
}

describe('the metrics of a broker', () => {
  test('are those that docs/architecture.md lists, no more and no fewer', () => {
    const names = [...exposition.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name)
    expect(names.length).toBeGreaterThan(20)
    expect(documented().sort()).toEqual(names.sort())
  })

  test('count requests by API in the histogram, and all of them in one counter', () => {
    const counted = (api: string) =>
      seriesValue(`streamcluster_request_seconds_count{api="${api}"}`)
    expect(counted('Produce')).toBe(1)
    expect(counted('Fetch')).toBe(1)
    expect(seriesValue('streamcluster_requests_total')).toBeGreaterThan(2)
  })

  test.each([
    'streamcluster_produce_stage_seconds_count{stage="wal_wait"}',
    'streamcluster_produce_stage_seconds_count{stage="wal_put"}',
    'streamcluster_store_request_seconds_count{operation="put"}',
    'streamcluster_bytes_in_total',
    'streamcluster_bytes_out_total',
    'streamcluster_wal_objects_total',
    'streamcluster_store_put_bytes_total',
    'streamcluster_partitions',
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
  ])('%s has risen with one produce and one fetch', (series) => {
    expect(seriesValue(series)).toBeGreaterThan(0)
  })
})
