import { expect, test } from '@jest/globals'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import type { BrokerLoad } from '../brokers/broker-load.ts'
import type { KubeObject } from '../kube/objects.ts'
import { BrokerReports } from './broker-reports.ts'

const LOAD: BrokerLoad = {
  ...{ nodeId: 1, state: 'active', partitions: 0, movesIn: 0, movesOut: 0 },
  ...{ bytesInPerSecond: 1, bytesOutPerSecond: 0, requestsPerSecond: 0, eventLoopUtilization: 0 },
  ...{ walBacklogBytes: 0, saturation: 0, clusterPartitions: 0, controller: false },
}

function podOf(name: string, phase = 'Running'): KubeObject {
  return { metadata: { name, uid: name }, status: { phase, podIP: `ip-${name}` } }
}

/** Brokers that answer, are silent (null), or hang (their question never ends). */
function world() {
  const clock = virtualClock()
  const pods: KubeObject[] = [podOf('a'), podOf('b')]
  const answers = new Map<string, BrokerLoad | null | 'hangs'>([
    ['ip-a', LOAD],
    ['ip-b', LOAD],
  ])
  const changes: string[] = []
  const asked: string[] = []
  const reports = new BrokerReports({
    clock,
    pods: () => pods,
    onChange: ({ metadata }) => changes.push(`${metadata.name} ${clock.nowMs()}`),
    fetch: async (host) => {
      asked.push(host)
      const answer = answers.get(host) ?? null
      return answer === 'hangs' ? new Promise<BrokerLoad | null>(() => {}) : answer
    },
  })
  return { clock, pods, answers, changes, asked, reports }
}

test('a report counts for five seconds, and no longer', async () => {
  const { clock, answers, reports, changes } = world()
  reports.start()
  await clock.advanceBy(0)
  expect(reports.of('a')?.load).toEqual(LOAD)
  answers.set('ip-a', null)
  await clock.advanceBy(5_000)
  expect(reports.of('a')?.atMs).toBe(0)
  await clock.advanceBy(1)
  expect(reports.of('a')).toBeNull()
  expect(reports.of('b')?.load).toEqual(LOAD)
  // Whoever looks after the cluster hears of the silence at the next look, and of its end.
  await clock.advanceBy(1_000)
  answers.set('ip-a', LOAD)
  await clock.advanceBy(1_000)
  expect(changes).toEqual(['a 0', 'b 0', 'a 6000', 'a 7000'])
  reports.stop()
})

test('a broker that hangs is asked once, and is silent all the same', async () => {
  const { clock, answers, asked, reports } = world()
  answers.set('ip-b', 'hangs')
  reports.start()
  await clock.advanceBy(10_000)
  expect(asked.filter((host) => host === 'ip-b')).toHaveLength(1)
  expect(asked.filter((host) => host === 'ip-a')).toHaveLength(11)
  expect(reports.of('b')).toBeNull()
  reports.stop()
})

test('who has just come is waited for, but not for ever', async () => {
  const { clock, answers, reports, pods } = world()
  await clock.run(reports.asked(pods, 500))
  expect(reports.of('a')?.load).toEqual(LOAD)
  pods.push(podOf('c'))
  answers.set('ip-c', 'hangs')
  await clock.run(reports.asked(pods, 500))
  expect(clock.nowMs()).toBe(500)
  expect(reports.of('c')).toBeNull()
})

test('a pod that does not run, or is gone, is not asked, and what it said is forgotten', async () => {
  const { clock, asked, reports, pods } = world()
  pods.push(podOf('pending', 'Pending'))
  reports.start()
  await clock.advanceBy(0)
  pods.shift()
  await clock.advanceBy(1_000)
  expect(reports.of('a')).toBeNull()
  expect(asked).toEqual(['ip-a', 'ip-b', 'ip-b'])
  reports.stop()
})
