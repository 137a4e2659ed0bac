import { createServer } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { systemRandom } from '../../base/random.ts'
import { MetadataLog } from '../../metadata/log.ts'
import { openStore } from '../../object-store/open.ts'
import { ADMIN_PORT } from '../../operator/api/listener-spec.ts'
import { s3Url } from '../../operator/api/store-url.ts'
import type { StreamClusterStatus } from '../../operator/api/stream-cluster-status.ts'
import { kinds, type KubeObject } from '../../operator/kube/objects.ts'
import { FakeApiServer } from '../../operator/kube/testing/fake-api-server.ts'
import { OPERATOR_NODE_FLAG } from '../../operator/node-flags.ts'
import { streamClusterKind } from '../../operator/stream-cluster/kinds.ts'
import { childLabels } from '../../operator/stream-cluster/labels.ts'
import { Child } from '../lib/child.ts'
import type { BenchContext, Figure, FigureResult } from '../lib/figure.ts'
import { versitygwBucket } from '../lib/our-broker.ts'
import { cpuSecondsOf, residentBytesOf } from '../lib/process-usage.ts'
import { fixed } from '../lib/report.ts'

const PROGRAM = fileURLToPath(new URL('../lib/operator-process.ts', import.meta.url))
const NAMESPACE = 'kafka'
const BROKERS = 3
const PARTITIONS = 300
const MEBIBYTE = 1024 * 1024
const GOAL_MEBIBYTES = 250
const START_MS_MAX = 180_000

/** Answers for all brokers at once, whatever address of this machine it is asked at. */
async function startBrokers(): Promise<{ stop(): void }> {
  const load = JSON.stringify({
    ...{ nodeId: 1, state: 'active', partitions: 100, bytesInPerSecond: 1e6, movesIn: 0 },
    ...{ bytesOutPerSecond: 1e6, requestsPerSecond: 100, eventLoopUtilization: 0.2, movesOut: 0 },
    ...{ walBacklogBytes: 0, saturation: 0.25, clusterPartitions: PARTITIONS, controller: false },
  })
  const ping = JSON.stringify({ nodeId: 1, partitionLoads: {} })
  const server = createServer((message, response) => {
    message.resume()
    response.end(message.url === '/load' ? load : ping)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(ADMIN_PORT, '0.0.0.0', resolve)
  })
  return {
    stop: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Three brokers that serve, as the API server and the metadata log know them. */
async function addBrokers(
  api: FakeApiServer,
  cluster: { readonly name: string; readonly number: number; readonly url: string },
): Promise<void> {
  const { name, number, url } = cluster
  const hosts = Array.from({ length: BROKERS }, (_, index) => `127.90.${number}.${index + 1}`)
  hosts.forEach((host, index) => {
    api.put(kinds.pod, {
      metadata: {
        name: `${name}-${index}`,
        namespace: NAMESPACE,
        labels: childLabels(name),
        // Kubernetes' own, and of service meshes: pods are large.
        annotations: { 'example.com/injected': 'x'.repeat(4_000) },
      },
      spec: { containers: [{ name: 'broker' }] },
      status: {
        ...{ phase: 'Running', podIP: host, hostIP: '127.0.0.1' },
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    })
  })
  const store = await openStore(url)
  const log = new MetadataLog({
    ...{ store, clock: systemClock, random: systemRandom, logger: silentLogger },
  })
  await log.open()
  const address = { host: 'h', port: 9092, internalPort: ADMIN_PORT }
  await log.append(({ scalars }) =>
    hosts.map((internalHost, index) => ({
      type: 'node-registered',
      nodeId: scalars.nextNodeId + index,
      nonce: `${index}`,
      address: { ...address, internalHost },
      rack: null,
      version: '0',
      atMs: systemClock.wallMs(),
    })),
  )
  const owners = Array.from({ length: PARTITIONS }, (_, index) => 1 + (index % BROKERS))
  const topic = { name: 'orders', topicId: 'orders', owners, configs: {}, atMs: 0 }
  await log.append(() => [{ type: 'topic-created', ...topic }])
  await log.stop()
  await store.close()
}

function tellDeployment(api: FakeApiServer, deployment: KubeObject): void {
  const { name = '', generation } = deployment.metadata
  const collection = '/apis/apps/v1/deployments'
  const target = { collection, namespace: NAMESPACE, name, subresource: 'status' }
  const counts = { replicas: BROKERS, updatedReplicas: BROKERS, availableReplicas: BROKERS }
  api.objects.mergePatch(target, { status: { observedGeneration: generation, ...counts } })
}

function settledCount(api: FakeApiServer): number {
  return api.objects
    .list('/apis/streamcluster.io/v1alpha1/streamclusters', NAMESPACE)
    .filter(({ status }) => {
      const { conditions = [] } = (status ?? {}) as StreamClusterStatus
      return conditions.some(({ reason }) => reason === 'Settled')
    }).length
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const endMs = performance.now() + START_MS_MAX
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`)
    await pause(100)
  }
}

async function measure(context: BenchContext, clusterCount: number) {
  const { settings, say } = context
  const bucket = await versitygwBucket()
  Object.assign(process.env, bucket.env)
  const api = await FakeApiServer.start()
  const brokers = await startBrokers()
  const operator = new Child(process.execPath, [OPERATOR_NODE_FLAG, PROGRAM], {
    env: {
      ...bucket.env,
      ...{ KUBE_URL: api.url, STREAMCLUSTER_NAMESPACES: NAMESPACE, POD_NAMESPACE: 'ops' },
      STREAMCLUSTER_ADMIN_LISTEN: '127.0.0.1:0',
    },
  })
  try {
    const place = new URL(bucket.url)
    const endpoint = place.searchParams.get('endpoint') ?? ''
    for (let number = 0; number < clusterCount; number++) {
      const name = `orders-${number}`
      const s3 = { bucket: place.hostname, prefix: name, endpoint, region: 'us-east-1' }
      const spec = { replicas: BROKERS, storage: { s3 } }
      api.put(streamClusterKind, { metadata: { name, namespace: NAMESPACE }, spec })
      const find = (): KubeObject | undefined => api.find(kinds.deployment, NAMESPACE, name)
      await until(`${name} has a Deployment`, () => find() !== undefined)
      const deployment = find()
      if (deployment !== undefined) tellDeployment(api, deployment)
      await addBrokers(api, { name, number, url: s3Url(s3) })
    }
    await until('all are settled', () => settledCount(api) === clusterCount)
    say(`${clusterCount} clusters are settled`)
    await pause(settings.settleSeconds * 1000)
    const [cpu, startMs, writes] = [cpuSecondsOf(operator.pid).total, performance.now(), api.writes]
    await pause(settings.idleSeconds * 1000)
    const seconds = (performance.now() - startMs) / 1000
    const after = api.writes.slice(writes.length)
    return {
      clusterCount,
      residentMebibytes: residentBytesOf(operator.pid) / MEBIBYTE,
      cpuShare: (cpuSecondsOf(operator.pid).total - cpu) / seconds,
      writeCount: after.filter(({ path }) => !path.includes('/leases')).length,
    }
  } catch (error) {
    throw new Error(`the operator: ${operator.output}`, { cause: error })
  } finally {
    await operator.end()
    brokers.stop()
    await api.stop()
    await bucket.stop()
  }
}

async function run(context: BenchContext): Promise<FigureResult> {
  const counts = context.settings.isShort ? [5] : [1, 50]
  const samples = []
  for (const count of counts) samples.push(await measure(context, count))
  const most = samples.at(-1)
  return {
    title: `an operator, its StreamClusters settled (${BROKERS} brokers, ${PARTITIONS} partitions each)`,
    table: [
      ['StreamClusters', 'resident, MiB', 'CPU, %', 'writes'],
      ...samples.map(({ clusterCount, residentMebibytes, cpuShare, writeCount }) => [
        ...[String(clusterCount), fixed(residentMebibytes, 0), fixed(cpuShare * 100)],
        String(writeCount),
      ]),
    ],
    notes: ['brokers and the API server are fakes of this process; the store is versitygw'],
    verdicts: [
      {
        goal: `resident ≤ ${GOAL_MEBIBYTES} MiB: ${fixed(most?.residentMebibytes ?? 0, 0)}`,
        reached: (most?.residentMebibytes ?? 0) <= GOAL_MEBIBYTES,
      },
      {
        goal: 'no write to the API server while nothing changes, but of the Lease',
        reached: samples.every(({ writeCount }) => writeCount === 0),
      },
    ],
    data: samples,
  }
}

export const operatorFigure: Figure = {
  name: 'operator',
  summary: 'memory and CPU of an operator with 50 StreamClusters, and what it writes',
  run,
}
