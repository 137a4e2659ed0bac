import { BufferPool, type SharedBytes } from '../base/buffer-pool.ts'

const GARBAGE = 0xdb

/** A pool that writes over memory as soon as nobody owns it, so that whoever still reads it shows. */
export class GarbagePool extends BufferPool {
  constructor() {
    super(1024 * 1024)
  }

  override give(shared: SharedBytes): void {
    shared.buffer.fill(GARBAGE)
    super.give(shared)
  }
}
