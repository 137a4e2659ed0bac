/**
 * Loaded before a program that make runs (`node --import`): makes a signal sent to make alone end
 * the program too. make forwards SIGTERM, but SIGINT it only heeds itself: it deletes the file it
 * was making, then waits for its child, which would never hear of it. So the child watches that file.
 */
import { existsSync, rmSync, watch } from 'node:fs'

/** Signals to the whole process group come by themselves; time for them to arrive first. */
const SIGNAL_GRACE_MS = 200

const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const
let signalled = false

/** Only notes the signal; what to do is the program's, or as if nobody listened, when it does not. */
function note(signal: keyof typeof SIGNALS): void {
  signalled = true
  if (process.listenerCount(signal) === 1) process.exit(128 + SIGNALS[signal])
}

function heed(path: string): void {
  process.on('SIGINT', note)
  process.on('SIGTERM', note)
  process.on('exit', () => rmSync(path, { force: true }))
  const watcher = watch(path, { persistent: false }, () => {
    if (existsSync(path)) return
    watcher.close()
    setTimeout(() => signalled || process.kill(process.pid, 'SIGINT'), SIGNAL_GRACE_MS).unref()
  })
  // Without a watch (the system's are used up) all is as without this file.
  watcher.on('error', () => {})
}

const path = process.env.MAKE_RUNNING
if (path !== undefined && path !== '') {
  delete process.env.MAKE_RUNNING
  heed(path)
}
