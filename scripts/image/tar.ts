import { constants } from 'node:buffer'

const BLOCK_BYTES = 512
const NAME_BYTES_MAX = 100
const PREFIX_BYTES_MAX = 155

/** One entry of a tar archive. Paths are relative, with '/' between their parts. */
export type TarEntry =
  | { readonly path: string; readonly mode: number; readonly content: Buffer }
  | { readonly path: string; readonly mode: number; readonly folder: true }
  | { readonly path: string; readonly linkTo: string }

/** A path as the header's prefix and name, cut at a '/'. Throws when it is too long for both. */
function cut(path: string): { prefix: string; name: string } {
  if (Buffer.byteLength(path) <= NAME_BYTES_MAX) return { prefix: '', name: path }
  for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)]
    if (Buffer.byteLength(name) > NAME_BYTES_MAX) continue
    if (name !== '' && Buffer.byteLength(prefix) <= PREFIX_BYTES_MAX) return { prefix, name }
  }
  throw new Error(`the path is too long for a tar header: ${path}`)
}

function octal(header: Buffer, value: number, { at, bytes }: { at: number; bytes: number }): void {
  header.write(value.toString(8).padStart(bytes - 1, '0'), at, 'latin1')
}

/** The header of an entry, in POSIX' ustar form; owner is root and the time is 0, for all. */
function headerOf(entry: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES)
  const isFolder = 'folder' in entry
  const { prefix, name } = cut(isFolder ? `${entry.path}/` : entry.path)
  header.write(name, 0)
  octal(header, 'linkTo' in entry ? 0o777 : entry.mode, { at: 100, bytes: 8 })
  octal(header, 0, { at: 108, bytes: 8 })
  octal(header, 0, { at: 116, bytes: 8 })
  octal(header, 'content' in entry ? entry.content.length : 0, { at: 124, bytes: 12 })
  octal(header, 0, { at: 136, bytes: 12 })
  header.write(isFolder ? '5' : 'linkTo' in entry ? '2' : '0', 156)
  if ('linkTo' in entry) header.write(entry.linkTo, 157)
  header.write('ustar\0' + '00', 257, 'latin1')
  header.write(prefix, 345)
  // The sum counts its own field as blanks.
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

/** The folders above the entries that are no entries themselves, so that all have known rights. */
function foldersAbove(entries: readonly TarEntry[]): TarEntry[] {
  const there = new Set(entries.map(({ path }) => path))
  const missing = new Set<string>()
  for (const { path } of entries) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at)
      if (!there.has(folder)) missing.add(folder)
    }
  }
  return [...missing].map((path) => ({ path, mode: 0o755, folder: true }))
}

/**
 * A tar archive: the same bytes for the same entries, in whatever order they come. Folders that the
 * paths need are added. Source of the format: POSIX.1-2017, pax, "ustar Interchange Format".
 */
export function tar(entries: readonly TarEntry[]): Buffer {
  const all = [...entries, ...foldersAbove(entries)].sort((a, b) => (a.path < b.path ? -1 : 1))
  const blocks: Buffer[] = []
  for (const entry of all) {
    blocks.push(headerOf(entry))
    if (!('content' in entry)) continue
    blocks.push(entry.content)
    const over = entry.content.length % BLOCK_BYTES
    if (over > 0) blocks.push(Buffer.alloc(BLOCK_BYTES - over))
  }
  blocks.push(Buffer.alloc(2 * BLOCK_BYTES))
  const bytes = blocks.reduce((total, block) => total + block.length, 0)
  if (bytes > constants.MAX_LENGTH) throw new Error('the archive is too large for one buffer')
  return Buffer.concat(blocks, bytes)
}
