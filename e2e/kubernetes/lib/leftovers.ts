import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { removeCgroups } from './cgroups.ts'
import { FOLDER } from './layout.ts'
import { rememberKernelSettings, removeNetwork, restoreKernelSettings } from './network.ts'
import { FIXED_FOLDERS } from './node.ts'

const OWNER_FILE = join(FOLDER, 'owner.json')
const MADE_FILE = join(FOLDER, 'made-folders.json')

interface Owner {
  readonly pid: number
  /** Ticks since the machine's start, as the kernel counts them: tells a pid's next user apart. */
  readonly startedAt: string
}

function startOf(pid: number): string | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything; the 20th field behind it is the start.
    return fields.slice(fields.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

/** Takes the machine for this process. Throws when another that runs has it. */
export async function takeMachine(): Promise<void> {
  if (existsSync(OWNER_FILE)) {
    const owner = JSON.parse(readFileSync(OWNER_FILE, 'utf8')) as Owner
    if (startOf(owner.pid) === owner.startedAt) {
      throw new Error(`process ${owner.pid} has a test cluster: there is one at a time`)
    }
  }
  await releaseMachine()
  mkdirSync(join(FOLDER, 'logs'), { recursive: true, mode: 0o700 })
  const owner: Owner = { pid: process.pid, startedAt: startOf(process.pid) ?? '' }
  writeFileSync(OWNER_FILE, JSON.stringify(owner))
  rememberKernelSettings()
  const missing = FIXED_FOLDERS.filter((folder) => !existsSync(folder))
  writeFileSync(MADE_FILE, JSON.stringify(missing))
  for (const folder of missing) mkdirSync(folder, { recursive: true })
}

/**
 * Removes all that a cluster leaves on the machine once its processes are gone: those that this
 * process started have been ended by it, and with another that has crashed its own have.
 */
export async function releaseMachine({ keepLogs = false } = {}): Promise<void> {
  await removeCgroups()
  await removeNetwork()
  restoreKernelSettings()
  if (existsSync(MADE_FILE)) {
    for (const folder of JSON.parse(readFileSync(MADE_FILE, 'utf8')) as string[]) {
      if (existsSync(folder)) rmdirSync(folder)
    }
  }
  if (keepLogs) {
    await rm(OWNER_FILE, { force: true })
    await rm(MADE_FILE, { force: true })
    return
  }
  await rm(FOLDER, { recursive: true, force: true, maxRetries: 5 })
}
