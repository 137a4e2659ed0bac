import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { attempt } from './command.ts'
import { PROGRAMS, REPOSITORY } from './layout.ts'

const BUILT = [
  ...['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'],
  ...['kubectl', 'coredns', 'pause'],
]
/** Programs of Debian, each with the package that brings it. */
const INSTALLED: readonly (readonly [string, string])[] = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
  ['etcd', 'etcd-server'],
  ['/usr/lib/cni/bridge', 'containernetworking-plugins'],
  ['conntrack', 'conntrack'],
  ['nft', 'nftables'],
  ['ip', 'iproute2'],
  ['openssl', 'openssl'],
]

/** Builds what is not built, and throws with what is to be installed when something is missing. */
export async function preparePrograms(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('a Kubernetes on this machine needs root')
  const missing: string[] = []
  for (const [program, name] of INSTALLED) {
    if (!(await attempt('sh', ['-c', `command -v ${program}`]))) missing.push(name)
  }
  if (missing.length > 0) {
    throw new Error(`install what is missing: apt-get install ${[...new Set(missing)].join(' ')}`)
  }
  if (BUILT.every((name) => existsSync(join(PROGRAMS, name)))) return
  const build = spawn(join(REPOSITORY, 'scripts/build-kubernetes.sh'), { stdio: 'inherit' })
  const code = await new Promise((resolve) => build.once('exit', resolve))
  if (code !== 0) throw new Error('scripts/build-kubernetes.sh has failed')
}
