import { readdirSync, readFileSync } from 'node:fs'
import { until } from '../../lib/wait.ts'
import type { Pod } from './product.ts'

/** Processes of a pod's containers, by the names of their cgroups. */
function processesOf(pod: Pod): number[] {
  const uid = pod.metadata.uid ?? ''
  const found: number[] = []
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid)) continue
    try {
      const isIts = readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(uid)
      if (isIts && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('node')) found.push(pid)
    } catch {
      // It has ended meanwhile.
    }
  }
  return found
}

/** kill -9 of what a pod runs; kubelet starts it again in the same pod. Resolves when it is dead. */
export async function killContainer(pod: Pod): Promise<void> {
  const victims = processesOf(pod)
  if (victims.length === 0) throw new Error(`${pod.metadata.name} runs nothing`)
  for (const pid of victims) process.kill(pid, 'SIGKILL')
  await until('it is dead', () => !processesOf(pod).some((pid) => victims.includes(pid)))
}
