import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { sleep, systemClock } from '../../base/clock.ts'
import { ADMIN_PORT } from '../api/listener-spec.ts'
import type { KubeClient } from '../kube/client.ts'
import { kinds, type KubeObject, nameOfObject } from '../kube/objects.ts'

const MAIN = fileURLToPath(new URL('../../broker/main.ts', import.meta.url))
const ORPHAN_GUARD = fileURLToPath(new URL('../local/orphan-guard.ts', import.meta.url))
/** Where pods see their volume; see resources/broker-container.ts. */
const VOLUME_URL = 'file:///var/lib/streamcluster'
const SYNC_MS = 100
const NODE_NAME = 'fake'

interface EnvironmentVariable {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly fieldRef?: { readonly fieldPath: string }
    readonly configMapKeyRef?: { readonly name: string; readonly key: string }
    readonly secretKeyRef?: { readonly name: string; readonly key: string }
  }
}

interface PodSpec {
  readonly schedulingGates?: readonly unknown[]
  readonly containers: readonly { readonly env?: readonly EnvironmentVariable[] }[]
}

interface RunningPod {
  readonly child: ChildProcess
  readonly address: string
  isEnded: boolean
  isTerminating: boolean
  told: string
}

export interface FakeKubeletOptions {
  readonly client: KubeClient
  /** A folder that stands for every claim. */
  readonly volumeFolder: string
  readonly logFolder: string
  /** `127.x.y`: pods get addresses below it, which this machine has anyway. */
  readonly network: string
  readonly namespace: string
}

/**
 * Runs the pods of brokers as processes of this machine, from the very variables that their pods
 * have; tells their readiness, ends them by SIGTERM, and takes ended ones away.
 */
export class FakeKubelet {
  readonly pods = new Map<string, RunningPod>()
  private readonly options: FakeKubeletOptions
  private readonly stopping = new AbortController()
  private nextAddress = 1
  private syncing: Promise<void> | null = null

  constructor(options: FakeKubeletOptions) {
    this.options = options
  }

  start(): void {
    this.syncing ??= this.run()
  }

  /** Ends all processes at once. */
  async stop(): Promise<void> {
    this.stopping.abort()
    await this.syncing
    const ended = [...this.pods.values()].map(({ child }) => endOf(child))
    for (const { child } of this.pods.values()) child.kill('SIGKILL')
    await Promise.all(ended)
  }

  /** As when the node with the pod is lost: the process is gone, and somebody deletes the pod. */
  async lose(name: string): Promise<void> {
    this.pods.get(name)?.child.kill('SIGKILL')
    await this.remove({ namespace: this.options.namespace, name })
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      await this.sync()
      await sleep(systemClock, SYNC_MS, signal)
    }
  }

  private async sync(): Promise<void> {
    const { client, namespace } = this.options
    const listed = await client.list(kinds.pod, { namespace })
    if (!listed.ok) return
    const present = new Set<string>()
    for (const pod of listed.value.items) {
      const { name = '' } = pod.metadata
      present.add(name)
      const running = this.pods.get(name)
      if (pod.metadata.deletionTimestamp !== undefined) await this.end(pod, running)
      else if (running === undefined) await this.begin(pod)
      else await this.tell(pod, running)
    }
    for (const [name, { child }] of this.pods) {
      if (present.has(name)) continue
      child.kill('SIGKILL')
      this.pods.delete(name)
    }
  }

  private async begin(pod: KubeObject): Promise<void> {
    const spec = pod.spec as unknown as PodSpec
    if ((spec.schedulingGates ?? []).length > 0) return
    const { client, network, logFolder } = this.options
    const { name = '' } = pod.metadata
    // Pods that are nowhere have no grace when they are deleted.
    const target = { apiVersion: 'v1', kind: 'Node', name: NODE_NAME }
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target }
    await client.createSubresource(kinds.pod, nameOfObject(pod), 'binding', binding)
    const address = `${network}.${this.nextAddress++}`
    const env = await this.environmentOf(pod, spec, address)
    const child = spawn(process.execPath, ['--import', ORPHAN_GUARD, MAIN], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'ignore', 'pipe'],
    })
    child.stderr?.pipe(createWriteStream(join(logFolder, `${name}.log`)))
    const running: RunningPod = { child, address, isEnded: false, isTerminating: false, told: '' }
    child.once('exit', () => {
      running.isEnded = true
    })
    this.pods.set(name, running)
    await this.tell(pod, running)
  }

  private async end(pod: KubeObject, running: RunningPod | undefined): Promise<void> {
    if (running !== undefined && !running.isEnded) {
      if (!running.isTerminating) running.child.kill('SIGTERM')
      running.isTerminating = true
      await this.tell(pod, running)
      return
    }
    this.pods.delete(pod.metadata.name ?? '')
    await this.remove(nameOfObject(pod))
  }

  private async remove(name: { namespace?: string; name: string }): Promise<void> {
    const { client } = this.options
    await client.mergePatch(kinds.pod, name, { metadata: { finalizers: null } })
    await client.delete(kinds.pod, name, { gracePeriodSeconds: 0 })
  }

  private async tell(pod: KubeObject, running: RunningPod): Promise<void> {
    const { address, isEnded } = running
    const isReady = !isEnded && (await isServing(address))
    const told = `${isReady} ${isEnded}`
    if (told === running.told) return
    running.told = told
    // Kubernetes counts from it for how long a pod has been available.
    const lastTransitionTime = new Date(systemClock.wallMs()).toISOString()
    const status = {
      phase: isEnded ? 'Failed' : 'Running',
      podIP: address,
      hostIP: '127.0.0.1',
      conditions: [{ type: 'Ready', status: isReady ? 'True' : 'False', lastTransitionTime }],
    }
    const { client } = this.options
    await client.mergePatch(kinds.pod, nameOfObject(pod), { status }, { subresource: 'status' })
  }

  private async environmentOf(
    pod: KubeObject,
    spec: PodSpec,
    address: string,
  ): Promise<Record<string, string>> {
    const env: Record<string, string> = {}
    const expand = (text: string): string =>
      text.replace(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole)
    for (const variable of spec.containers[0]?.env ?? []) {
      const value = await this.valueOf(pod, variable, address)
      if (value !== null) env[variable.name] = expand(value)
    }
    const { volumeFolder } = this.options
    env.STREAMCLUSTER_STORE = (env.STREAMCLUSTER_STORE ?? '').replace(
      VOLUME_URL,
      pathToFileURL(volumeFolder).href,
    )
    // Pods of one machine have a network each; here they only have an address each.
    env.STREAMCLUSTER_LISTENERS = (env.STREAMCLUSTER_LISTENERS ?? '').replaceAll('0.0.0.0', address)
    return env
  }

  private async valueOf(
    pod: KubeObject,
    { value, valueFrom }: EnvironmentVariable,
    address: string,
  ): Promise<string | null> {
    if (valueFrom === undefined) return value ?? ''
    const { namespace = '' } = pod.metadata
    const { fieldRef, configMapKeyRef, secretKeyRef } = valueFrom
    if (fieldRef !== undefined) return fieldOf(pod, fieldRef.fieldPath, address)
    const ref = configMapKeyRef ?? secretKeyRef
    const kind = configMapKeyRef === undefined ? kinds.secret : kinds.configMap
    const found = await this.options.client.get(kind, { namespace, name: ref?.name ?? '' })
    if (!found.ok) return null
    const data = (found.value.data ?? {}) as Record<string, string>
    const text = data[ref?.key ?? '']
    if (text === undefined) return null
    return configMapKeyRef === undefined ? Buffer.from(text, 'base64').toString('utf8') : text
  }
}

function fieldOf({ metadata }: KubeObject, path: string, address: string): string | null {
  if (path === 'status.podIP') return address
  if (path === 'status.hostIP') return '127.0.0.1'
  const match = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  const values = match?.[1] === 'labels' ? metadata.labels : metadata.annotations
  return values?.[match?.[2] ?? ''] ?? null
}

function isServing(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = get({ host, port: ADMIN_PORT, path: '/readyz', agent: false, timeout: 1_000 })
    call.on('response', (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    call.on('timeout', () => call.destroy())
    call.on('error', () => resolve(false))
  })
}

function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => child.once('exit', () => resolve()))
}
