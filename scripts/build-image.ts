import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  codeLayer,
  COMPILE_CACHE_VARIABLES,
  compileCacheLayer,
  packageLayer,
  systemLayer,
  USER,
} from './image/contents.ts'
import { type Image, ociArchive } from './image/oci.ts'

/**
 * Writes the project's image as an OCI archive, with no daemon and no base image: Node with its
 * libraries, the packages of production, the code. The same checkout gives the same bytes.
 *
 *   build-image.ts [--output <file>] [--name <image:tag>]
 *   build-image.ts --program <static program> …    an image with just that program, which it runs
 *
 * Prints one line of JSON: `archive`, `name`, `bytes`.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const DEFAULT_OUTPUT = '.cache/images/streamcluster.tar'

function ownImage(name: string): Image {
  return {
    name,
    config: {
      User: USER,
      Env: ['PATH=/usr/local/bin', 'NODE_ENV=production', ...COMPILE_CACHE_VARIABLES],
      Cmd: ['broker'],
      WorkingDir: '/opt/streamcluster',
      Labels: { 'org.opencontainers.image.title': 'streamcluster' },
    },
    // What changes most often comes last: what lies below is then there already.
    layers: [systemLayer(ROOT), packageLayer(ROOT), codeLayer(ROOT), compileCacheLayer(ROOT)],
  }
}

function programImage(name: string, program: string): Image {
  const content = readFileSync(program)
  return {
    name,
    config: { User: USER, Entrypoint: ['/program'] },
    layers: [[{ path: 'program', mode: 0o755, content }]],
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      output: { type: 'string', default: DEFAULT_OUTPUT },
      name: { type: 'string', default: 'streamcluster.io/streamcluster:dev' },
      program: { type: 'string' },
    },
  })
  const { name, program } = values
  const bytes = ociArchive(program === undefined ? ownImage(name) : programImage(name, program))
  const archive = resolve(values.output)
  mkdirSync(dirname(archive), { recursive: true })
  // Whoever reads it at the same time must not get half of it.
  writeFileSync(`${archive}.new`, bytes)
  renameSync(`${archive}.new`, archive)
  process.stdout.write(`${JSON.stringify({ archive, name, bytes: bytes.length })}\n`)
}

main()
