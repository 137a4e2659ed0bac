import { afterEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { virtualClock } from '../../base/testing/virtual-clock.ts'
import { RunLock } from './run-lock.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'run-lock-'))
  folders.push(folder)
  return join(folder, 'lock')
}

/** Puts the lock file of somebody else into a fresh folder; returns the folder. */
function heldBy(holder: object, touchedMsAgo = 0): string {
  const folder = newFolder()
  const lock = RunLock.acquire(folder, virtualClock())
  if (!lock.ok) throw new Error(lock.message)
  lock.lock.release()
  const path = join(folder, 'somebody.json')
  const since = '2026-01-01T00:00:00.000Z'
  writeFileSync(path, JSON.stringify({ host: hostname(), processStart: null, since, ...holder }))
  const seconds = (virtualClock().wallMs() - touchedMsAgo) / 1000
  utimesSync(path, seconds, seconds)
  return folder
}

function acquire(folder: string): string {
  const result = RunLock.acquire(folder, virtualClock())
  return result.ok ? 'taken' : result.message
}

describe('the lock of a run', () => {
  test('a living holder keeps others out, and is named', async () => {
    const other = spawn('sleep', ['60'])
    try {
      const folder = heldBy({ pid: other.pid })
      expect(acquire(folder)).toBe(
        `it is in use by another run: process ${other.pid}, since 2026-01-01T00:00:00.000Z`,
      )
      expect(readdirSync(folder)).toEqual(['somebody.json'])
    } finally {
      other.kill('SIGKILL')
      await once(other, 'exit')
    }
  })

  test('the lock of a dead process is taken over', async () => {
    const other = spawn('true')
    await once(other, 'exit')
    expect(acquire(heldBy({ pid: other.pid }))).toBe('taken')
  })

  test('a process that only has the pid of a dead holder does not keep others out', () => {
    expect(acquire(heldBy({ pid: process.ppid, processStart: 'long ago' }))).toBe('taken')
  })

  test('a holder on another machine counts as long as it shows that it lives', () => {
    const elsewhere = { pid: 1, host: 'elsewhere.invalid' }
    expect(acquire(heldBy(elsewhere, 50_000))).toMatch(/the machine elsewhere.invalid since/)
    expect(acquire(heldBy(elsewhere, 70_000))).toBe('taken')
  })

  test('a damaged file is nobody', () => {
    const folder = heldBy({})
    writeFileSync(join(folder, 'somebody.json'), '{"pid":')
    expect(acquire(folder)).toBe('taken')
  })

  test('a released lock leaves nothing behind', () => {
    const folder = newFolder()
    const result = RunLock.acquire(folder, virtualClock())
    expect(readdirSync(folder)).toHaveLength(1)
    if (result.ok) result.lock.release()
    expect(readdirSync(folder)).toEqual([])
  })
})
