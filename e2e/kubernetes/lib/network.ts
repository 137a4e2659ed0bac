import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { attempt, command } from './command.ts'
import {
  FOLDER,
  HOST_ADDRESS,
  NODE_BRIDGE,
  NODE_PREFIX_LENGTH,
  type NodePlace,
  POD_BRIDGE,
  POD_GATEWAY,
  SERVICE_NETWORK,
} from './layout.ts'

/** What kubelet sets for the whole machine, and the CNI plugins of some versions. */
const KERNEL_SETTINGS = [
  'kernel/keys/root_maxbytes',
  'kernel/keys/root_maxkeys',
  'kernel/panic',
  'kernel/panic_on_oops',
  'net/ipv4/ip_forward',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
]
const SETTINGS_FILE = join(FOLDER, 'kernel-settings.json')

function kernelFile(name: string): string {
  return join('/proc/sys', name)
}

/** Writes down what {@link restoreKernelSettings} brings back, also after a crash. */
export function rememberKernelSettings(): void {
  const there = KERNEL_SETTINGS.filter((name) => existsSync(kernelFile(name)))
  const values = there.map((name) => [name, readFileSync(kernelFile(name), 'utf8').trim()])
  writeFileSync(SETTINGS_FILE, JSON.stringify(Object.fromEntries(values)))
}

export function restoreKernelSettings(): void {
  if (!existsSync(SETTINGS_FILE)) return
  const values = JSON.parse(readFileSync(SETTINGS_FILE, 'utf8')) as Record<string, string>
  for (const [name, value] of Object.entries(values)) {
    // Writing ip_forward, even the value it has, sets the forwarding of every interface.
    if (readFileSync(kernelFile(name), 'utf8').trim() !== value) {
      writeFileSync(kernelFile(name), value)
    }
  }
}

/**
 * Makes the bridge of nodes' addresses, all of which are this machine's own, and the one that pods
 * are plugged into. Packets are forwarded only when they come from a pod, not for other interfaces.
 */
export async function makeNetwork(nodes: readonly NodePlace[]): Promise<void> {
  for (const bridge of [NODE_BRIDGE, POD_BRIDGE]) {
    await command('ip', ['link', 'add', bridge, 'type', 'bridge'])
    await command('ip', ['link', 'set', bridge, 'up'])
  }
  for (const address of [HOST_ADDRESS, ...nodes.map((node) => node.address)]) {
    const range = `${address}/${NODE_PREFIX_LENGTH}`
    await command('ip', ['address', 'add', range, 'dev', NODE_BRIDGE])
  }
  await command('ip', ['address', 'add', `${POD_GATEWAY}/16`, 'dev', POD_BRIDGE])
  // Packets between pods must pass the service rules although they never leave their bridge: the
  // answer of a service's pod would else come from an address that nobody asked.
  await command('ip', ['link', 'set', POD_BRIDGE, 'type', 'bridge', 'nf_call_iptables', '1'])
  writeFileSync(kernelFile(`net/ipv4/conf/${POD_BRIDGE}/forwarding`), '1')
  // What no rule takes care of must end here, not at a router that knows such addresses.
  await command('ip', ['route', 'add', SERVICE_NETWORK, 'dev', POD_BRIDGE])
}

/** Removes it, whatever of it there is. */
export async function removeNetwork(): Promise<void> {
  for (const bridge of [NODE_BRIDGE, POD_BRIDGE]) {
    if (existsSync(`/sys/class/net/${bridge}`)) await command('ip', ['link', 'delete', bridge])
  }
  for (const family of ['ip', 'ip6']) {
    // Of kube-proxy, which leaves it when it ends; no such table is as good.
    await attempt('nft', ['delete', 'table', family, 'kube-proxy'])
  }
}
