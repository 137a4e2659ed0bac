import { crc32c as native } from '@node-rs/crc32'

/** CRC32C (Castagnoli) of `bytes`, as an unsigned 32-bit number, continuing from `initial`. */
export function crc32c(bytes: Uint8Array, initial = 0): number {
  return native(bytes, initial)
}
