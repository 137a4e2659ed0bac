import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sleep, systemClock } from '../../base/clock.ts'
import type { KubeAccess } from '../kube/access.ts'
import { authority, issued } from './certificates.ts'

const PROGRAMS = fileURLToPath(new URL('../../.cache/bin', import.meta.url))
const ETCD = '/usr/bin/etcd'
const TOKEN = 'admin-token'
const START_MS_MAX = 60_000
/** What a test needs of Kubernetes beside its API: no nodes, no schedules. */
const CONTROLLERS = [
  ...['deployment-controller', 'replicaset-controller', 'garbage-collector-controller'],
  ...['endpointslice-controller', 'serviceaccount-controller', 'namespace-controller'],
  ...['disruption-controller', 'horizontal-pod-autoscaler-controller'],
]

/** Whether Kubernetes' own programs are on this machine (scripts/build-kubernetes.sh). */
export function hasApiServer(): boolean {
  const programs = ['kube-apiserver', 'kube-controller-manager', 'kubectl']
  return existsSync(ETCD) && programs.every((name) => existsSync(join(PROGRAMS, name)))
}

/** etcd, Kubernetes' API server and some of its controllers, on 127.0.0.1; no node. */
export class RealApiServer {
  readonly url: string
  readonly kubeConfig: string
  private readonly children: ChildProcess[] = []

  private constructor(url: string, kubeConfig: string) {
    this.url = url
    this.kubeConfig = kubeConfig
  }

  static async start(folder: string): Promise<RealApiServer> {
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()]
    const url = `https://127.0.0.1:${port}`
    const kubeConfig = join(folder, 'kubeconfig')
    writeFileSync(kubeConfig, kubeConfigText(url))
    const server = new RealApiServer(url, kubeConfig)
    const etcd = `http://127.0.0.1:${etcdPort}`
    const peer = `http://127.0.0.1:${peerPort}`
    server.spawn(folder, ETCD, [
      ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync', '--log-level', 'error'],
      ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', `default=${peer}`],
    ])
    const key = join(folder, 'accounts.key')
    execFileSync('openssl', ['genrsa', '-out', key, '2048'], { stdio: 'ignore' })
    const tokens = join(folder, 'tokens.csv')
    writeFileSync(tokens, `${TOKEN},admin,1,"system:masters"\n`)
    mkdirSync(join(folder, 'certificates'))
    const frontProxy = authority(folder, 'front-proxy')
    const proxy = issued(folder, frontProxy, { file: 'proxy', commonName: 'front-proxy-client' })
    server.spawn(folder, join(PROGRAMS, 'kube-apiserver'), [
      ...[`--etcd-servers=${etcd}`, '--bind-address=127.0.0.1', `--secure-port=${port}`],
      ...[`--cert-dir=${join(folder, 'certificates')}`, `--token-auth-file=${tokens}`],
      ...[`--service-account-key-file=${key}`, `--service-account-signing-key-file=${key}`],
      ...['--service-account-issuer=https://test', '--service-cluster-ip-range=10.99.0.0/16'],
      ...['--authorization-mode=RBAC', '--disable-admission-plugins=ServiceAccount'],
      `--requestheader-client-ca-file=${frontProxy.certFile}`,
      '--requestheader-allowed-names=front-proxy-client',
      '--requestheader-username-headers=X-Remote-User',
      '--requestheader-group-headers=X-Remote-Group',
      '--requestheader-extra-headers-prefix=X-Remote-Extra-',
      ...[`--proxy-client-cert-file=${proxy.certFile}`, `--proxy-client-key-file=${proxy.keyFile}`],
    ])
    await server.ready()
    server.spawn(folder, join(PROGRAMS, 'kube-controller-manager'), [
      ...[`--kubeconfig=${kubeConfig}`, '--secure-port=0', '--leader-elect=false'],
      `--controllers=${CONTROLLERS.join(',')}`,
      '--horizontal-pod-autoscaler-sync-period=2s',
      // As one account with all rights: here is nobody to give them out.
      '--use-service-account-credentials=false',
    ])
    return server
  }

  access(): KubeAccess {
    const credentials = {
      headers: { authorization: `Bearer ${TOKEN}` },
      tls: { rejectUnauthorized: false },
    }
    return {
      server: this.url,
      namespace: null,
      credentials: () => Promise.resolve(credentials),
      forget() {},
    }
  }

  /** What it prints. This process goes on meanwhile: the API server may ask it something. */
  async kubectl(...args: string[]): Promise<string> {
    const all = ['--kubeconfig', this.kubeConfig, ...args]
    return (await promisify(execFile)(join(PROGRAMS, 'kubectl'), all)).stdout
  }

  async stop(): Promise<void> {
    for (const child of this.children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
  }

  private spawn(folder: string, program: string, args: readonly string[]): void {
    const log = openSync(join(folder, `${program.split('/').at(-1)}.log`), 'w')
    const child = spawn(program, args, { stdio: ['ignore', log, log] })
    // A test run that is interrupted leaves nothing behind.
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    this.children.push(child)
  }

  private async ready(): Promise<void> {
    const endMs = systemClock.nowMs() + START_MS_MAX
    for (;;) {
      try {
        if ((await this.kubectl('get', '--raw', '/readyz')) === 'ok') return
      } catch (error) {
        if (systemClock.nowMs() > endMs) throw error
      }
      await sleep(systemClock, 500)
    }
  }
}

function kubeConfigText(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'admin', user: { token: TOKEN } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'test',
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
