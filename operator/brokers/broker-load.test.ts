import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock } from '../../base/clock.ts'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { brokerMetrics } from '../api/autoscaling.ts'
import { fetchLoad, milliByMetricOf } from './broker-load.ts'

const LOAD = {
  nodeId: 3,
  state: 'active' as const,
  partitions: 4,
  bytesInPerSecond: 1000.5,
  bytesOutPerSecond: 2000,
  requestsPerSecond: 12.25,
  eventLoopUtilization: 0.4216,
  walBacklogBytes: 77,
  saturation: 0.25,
  movesIn: 1,
  movesOut: 2,
  movesMsLast: null,
  clusterPartitions: 12,
  controller: true,
}

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

async function adminPort(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

describe('the load of a broker', () => {
  test('is what it says, with fields of later releases left out', async () => {
    const admin = await adminPort((request, response) => {
      const found = request.url === '/load'
      response.writeHead(found ? 200 : 404).end(JSON.stringify({ ...LOAD, later: 1 }))
    })
    expect(await fetchLoad(admin, systemClock)).toEqual(LOAD)
  })

  test.each([
    ['an error', 500, JSON.stringify(LOAD)],
    ['no JSON', 200, '<html>'],
    ['a missing field', 200, JSON.stringify({ ...LOAD, partitions: undefined })],
    ['a number that is none', 200, JSON.stringify({ ...LOAD, requestsPerSecond: 'many' })],
    ['very much', 200, JSON.stringify({ ...LOAD, more: 'x'.repeat(100_000) })],
  ])('is unknown when the broker answers with %s', async (_, status, body) => {
    const admin = await adminPort((_request, response) => {
      response.writeHead(status).end(body)
    })
    expect(await fetchLoad(admin, systemClock)).toBeNull()
  })

  test('is unknown when nobody listens', async () => {
    const admin = await adminPort(() => {})
    const server = servers.splice(0)[0]
    server?.close()
    expect(await fetchLoad(admin, systemClock)).toBeNull()
  })

  test('is unknown when no answer comes in time', async () => {
    const clock = virtualClock()
    const admin = await adminPort(() => {})
    const load = fetchLoad(admin, clock)
    await clock.advanceBy(2000)
    expect(await load).toBeNull()
  })

  test('becomes every metric that autoscalers may name, in thousandths', () => {
    const metrics = milliByMetricOf(LOAD)
    expect([...metrics.keys()].sort()).toEqual(Object.keys(brokerMetrics).sort())
    expect(Object.fromEntries(metrics)).toEqual({
      streamcluster_network_bytes_per_second: 3_000_500,
      streamcluster_requests_per_second: 12_250,
      streamcluster_event_loop_utilization: 422,
      streamcluster_wal_backlog_bytes: 77_000,
      streamcluster_saturation: 250,
    })
  })

  test('of an older broker has what that tells', () => {
    const { saturation: _, ...old } = LOAD
    expect(milliByMetricOf(old).has('streamcluster_saturation')).toBe(false)
    expect(milliByMetricOf(old).size).toBe(Object.keys(brokerMetrics).length - 1)
  })
})
