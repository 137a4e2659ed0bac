import { describe, expect, test } from '@jest/globals'
import { Metrics } from './metrics.ts'

/** The samples of an exposition: `name{labels}` → value. */
async function samplesOf(metrics: Metrics): Promise<Record<string, number>> {
  const samples: Record<string, number> = {}
  for (const line of (await metrics.exposition()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const at = line.lastIndexOf(' ')
    samples[line.slice(0, at)] = Number(line.slice(at + 1))
  }
  return samples
}

describe('Metrics', () => {
  test('gauges and counters tell what holds at each scrape', async () => {
    const metrics = new Metrics()
    let level = 5
    let total = 10
    metrics.gauge('level', 'A level.', () => level)
    metrics.counter('things_total', 'Things.', () => total)
    expect(await samplesOf(metrics)).toEqual({ level: 5, things_total: 10 })
    level = -1
    total = 12
    expect(await samplesOf(metrics)).toEqual({ level: -1, things_total: 12 })
    expect(await samplesOf(metrics)).toEqual({ level: -1, things_total: 12 })
  })

  test('names are typed and explained, as scrapers want it', async () => {
    const metrics = new Metrics()
    metrics.gauge('level', 'A level.', () => 0)
    metrics.counter('things_total', 'Things.', () => 0)
    const text = await metrics.exposition()
    expect(text).toContain('# HELP level A level.\n# TYPE level gauge\n')
    expect(text).toContain('# TYPE things_total counter\n')
    expect(metrics.contentType).toContain('text/plain')
  })

  test('a value that is not known yet spoils no scrape', async () => {
    const metrics = new Metrics()
    metrics.gauge('age', 'Never happened.', () => Number.POSITIVE_INFINITY)
    metrics.gauge('level', 'A level.', () => 3)
    expect(await metrics.exposition()).toContain('age +Inf\n')
    expect((await samplesOf(metrics))['level']).toBe(3)
  })

  test('rare events are counted per label', async () => {
    const metrics = new Metrics()
    const count = metrics.labelledCounter('errors_total', 'Errors.', ['operation', 'kind'])
    count({ operation: 'put', kind: 'unknown' })
    count({ operation: 'put', kind: 'unknown' }, 2)
    count({ operation: 'get', kind: 'denied' })
    expect(await samplesOf(metrics)).toEqual({
      'errors_total{operation="put",kind="unknown"}': 3,
      'errors_total{operation="get",kind="denied"}': 1,
    })
  })

  test('a histogram counts each duration once, in every bucket that holds it', async () => {
    const metrics = new Metrics()
    const observe = metrics.histogram('seconds', 'Durations.', 'stage')('put')
    for (const seconds of [0.0005, 0.02, 0.02, 100]) observe(seconds)
    const samples = await samplesOf(metrics)
    expect(samples['seconds_count{stage="put"}']).toBe(4)
    expect(samples['seconds_sum{stage="put"}']).toBeCloseTo(100.0405)
    expect(samples['seconds_bucket{le="0.001",stage="put"}']).toBe(1)
    expect(samples['seconds_bucket{le="0.025",stage="put"}']).toBe(3)
    expect(samples['seconds_bucket{le="+Inf",stage="put"}']).toBe(4)
  })

  test('two sets of metrics in one process know nothing of each other', async () => {
    const [one, other] = [new Metrics(), new Metrics()]
    one.gauge('level', 'A level.', () => 1)
    other.gauge('level', 'A level.', () => 2)
    expect(await samplesOf(one)).toEqual({ level: 1 })
    expect(await samplesOf(other)).toEqual({ level: 2 })
  })
})
