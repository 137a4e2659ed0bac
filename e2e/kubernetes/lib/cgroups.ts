import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../lib/wait.ts'
import { CGROUP } from './layout.ts'

const ROOT = '/sys/fs/cgroup'
const REMOVE_MS_MAX = 20_000
const LOOK_MS = 50

/** The mounted hierarchies: one with version 2 of cgroups, about a dozen with version 1. */
function hierarchies(): string[] {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return [ROOT]
  return readdirSync(ROOT)
    .map((name) => join(ROOT, name))
    .filter((path) => existsSync(join(path, 'cgroup.procs')))
}

function copySetting(parent: string, group: string, name: string): void {
  if (!existsSync(join(group, name))) return
  writeFileSync(join(group, name), readFileSync(join(parent, name), 'utf8'))
}

/**
 * All nodes lie in one group, which the kernel weighs against every single thread of this machine's
 * other programs: with the usual weight, three nodes would get as much time as one client's thread.
 */
const SHARES = '32768'
const WEIGHT = '3200'

function weigh(group: string): void {
  const [one, two] = [join(group, 'cpu.shares'), join(group, 'cpu.weight')]
  if (existsSync(one)) writeFileSync(one, SHARES)
  if (existsSync(two)) writeFileSync(two, WEIGHT)
}

/** Lets the groups below have what this one has: nothing can run in them otherwise. */
function makeUsable(parent: string, group: string): void {
  copySetting(parent, group, 'cpuset.cpus')
  copySetting(parent, group, 'cpuset.mems')
  const controllers = join(parent, 'cgroup.controllers')
  if (!existsSync(controllers)) return
  const wanted = readFileSync(controllers, 'utf8').trim().split(' ').filter(Boolean)
  writeFileSync(join(parent, 'cgroup.subtree_control'), wanted.map((name) => `+${name}`).join(' '))
}

/**
 * Makes a group for one node in every hierarchy. Each kubelet needs its own: it ends all pods it
 * does not know in the one it has.
 */
export function makeCgroup(nodeGroup: string): void {
  for (const hierarchy of hierarchies()) {
    let parent = hierarchy
    for (const name of nodeGroup.split('/').filter(Boolean)) {
      const group = join(parent, name)
      mkdirSync(group, { recursive: true })
      makeUsable(parent, group)
      weigh(group)
      parent = group
    }
  }
}

function groupsBelow(group: string): string[] {
  const children = readdirSync(group, { withFileTypes: true }).filter((each) => each.isDirectory())
  return [...children.flatMap(({ name }) => groupsBelow(join(group, name))), group]
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

/** Ends what runs in the group and removes it. Returns false while something is left. */
function removeOnce(group: string): boolean {
  if (!existsSync(group)) return true
  let emptied = true
  for (const each of groupsBelow(group)) {
    try {
      for (const pid of readFileSync(join(each, 'cgroup.procs'), 'utf8').split('\n')) {
        if (pid !== '' && pid !== '0') process.kill(Number(pid), 'SIGKILL')
      }
      rmdirSync(each)
    } catch (error) {
      emptied = emptied && isGone(error)
    }
  }
  return emptied
}

/** Removes a node's groups, or those of all nodes, and ends whatever still runs in them. */
export async function removeCgroups(nodeGroup = `/${CGROUP}`): Promise<void> {
  const endMs = Date.now() + REMOVE_MS_MAX
  for (const hierarchy of hierarchies()) {
    const group = join(hierarchy, nodeGroup)
    while (!removeOnce(group)) {
      if (Date.now() > endMs) throw new Error(`cannot remove ${group}: something runs in it`)
      await pause(LOOK_MS)
    }
  }
}
