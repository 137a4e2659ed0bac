import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseSync } from '@swc/core'

/** One broken rule at one place. `line` counts from 1; 0 means the whole file. */
export interface Finding {
  readonly path: string
  readonly line: number
  readonly message: string
}

/** A file of the project. `path` is relative to the project's folder, with `/`. */
export interface ProjectFile {
  readonly path: string
  readonly text: string
}

/** A syntax tree's node, as far as these checks look: a type, a place, and whatever else. */
export interface SyntaxNode {
  readonly type: string
  readonly span?: { readonly start: number; readonly end: number }
  readonly [field: string]: unknown
}

/** A TypeScript file with its tree. */
export interface SourceFile extends ProjectFile {
  readonly tree: SyntaxNode
  /** The first and last line of a node, counted from 1. */
  linesOf(node: SyntaxNode): { readonly first: number; readonly last: number }
}

const FOLDERS_SKIPPED = new Set(['.git', 'node_modules', '.cache', 'data', 'coverage'])
const FILE_BYTES_MAX = 4 << 20

function walkFolder(root: string, folder: string, found: string[]): void {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      if (!FOLDERS_SKIPPED.has(path) && entry.name !== 'node_modules') walkFolder(root, path, found)
    } else if (entry.isFile()) found.push(path)
  }
}

/**
 * The project's files: what git tracks and what it would track, so that a new file is checked
 * before its first commit. Without git (an unpacked archive), all but the ignored folders.
 */
export function listPaths(root: string): string[] {
  let paths: string[]
  try {
    const arguments_ = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const output = execFileSync('git', arguments_, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 << 20,
    })
    paths = output.split('\0').filter((path) => path !== '')
  } catch {
    paths = []
    walkFolder(root, '', paths)
  }
  const isRegularFile = (path: string): boolean =>
    statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true
  return [...new Set(paths)].filter(isRegularFile).sort()
}

/** Reads the text files among the project's; binary and very large ones are left out. */
export function readFiles(root: string): ProjectFile[] {
  const files: ProjectFile[] = []
  for (const path of listPaths(root)) {
    const bytes = readFileSync(join(root, path))
    if (bytes.byteLength > FILE_BYTES_MAX || bytes.includes(0)) continue
    files.push({ path, text: bytes.toString('utf8') })
  }
  return files
}

/**
 * Parses a TypeScript file. Throws what the parser says when it cannot be parsed.
 * The parser counts positions in UTF-8 bytes from a start that differs between its versions, so a
 * semicolon is put before the text: the position of that statement is the start.
 */
export function parseSource(file: ProjectFile): SourceFile {
  const parsed: unknown = parseSync(`;${file.text}`, { syntax: 'typescript', target: 'esnext' })
  const tree = parsed as SyntaxNode & { readonly body: readonly SyntaxNode[] }
  const start = (tree.body[0]?.span?.start ?? 0) + 1
  const bytes = Buffer.from(file.text, 'utf8')
  const lineStarts = [0]
  for (
    let position = bytes.indexOf(10);
    position >= 0;
    position = bytes.indexOf(10, position + 1)
  ) {
    lineStarts.push(position + 1)
  }
  function lineAt(position: number): number {
    let low = 0
    let high = lineStarts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if ((lineStarts[middle] ?? 0) <= position) low = middle
      else high = middle
    }
    return low + 1
  }
  return {
    ...file,
    tree,
    linesOf: (node) => ({
      first: lineAt((node.span?.start ?? start) - start),
      last: lineAt((node.span?.end ?? start) - start - 1),
    }),
  }
}

/** A node, the one above it, and the name of the field it sits in. */
export interface Visit {
  readonly node: SyntaxNode
  readonly parent: SyntaxNode | null
}

function isNode(value: unknown): value is SyntaxNode {
  return (
    typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string'
  )
}

/**
 * All nodes of a tree, parents before children. The parser wraps some nodes in plain objects (an
 * argument, a method's function); those are looked through, so a parent is always a typed node.
 */
export function* visitNodes(root: SyntaxNode): Generator<Visit> {
  const stack: { value: unknown; parent: SyntaxNode | null }[] = [{ value: root, parent: null }]
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value, parent } = next
    if (typeof value !== 'object' || value === null) continue
    const node = isNode(value) ? value : null
    if (node !== null) yield { node, parent }
    for (const child of Object.values(value).reverse()) {
      if (typeof child === 'object') stack.push({ value: child, parent: node ?? parent })
    }
  }
}

/** Whether the path is a test or a test's helper: those may do what production code may not. */
export function isTestPath(path: string): boolean {
  return path.endsWith('.test.ts') || path.split('/').includes('testing')
}
