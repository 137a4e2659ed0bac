import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A temporary folder for everything that all peers write, so that all use the same disk. */
export class Workspace {
  readonly folder: string
  private nextFolder = 0

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<Workspace> {
    return new Workspace(await mkdtemp(join(tmpdir(), 'streamcluster-bench-')))
  }

  /** A new folder, whose name begins with `name`. */
  async newFolder(name: string): Promise<string> {
    const folder = join(this.folder, `${name}-${this.nextFolder++}`)
    await mkdir(folder)
    return folder
  }

  /** Bytes that are free on the disk. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder)
    return bavail * bsize
  }

  /**
   * Resolves when the disk has what was written before. Kafka leaves that to the system, and
   * without this the next run would find the disk busy with the last one's data.
   */
  async settle(): Promise<void> {
    await promisify(execFile)('sync', ['-f', this.folder])
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
