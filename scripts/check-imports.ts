import { posix } from 'node:path'
import { type Finding, isTestPath, type SourceFile, visitNodes } from './check-source.ts'

/**
 * The layers, lowest first. A file may import its own layer and all lower ones; folders of the same
 * layer do not see each other. A new top-level folder with code in it needs its place here.
 */
const LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['object-store'],
  ['metadata'],
  ['controller'],
  ['broker'],
  ['operator'],
  ['sim', 'bench'],
  ['e2e'],
  ['compat', 'fuzz'],
  ['scripts'],
]

/** Programs for people who work on this; never part of what runs in a cluster. */
const TOOL_FOLDERS = ['sim', 'bench', 'e2e', 'compat', 'fuzz', 'scripts']
const TOOL_PATHS = /^operator\/local\/demo\//

function isTool(path: string): boolean {
  return TOOL_FOLDERS.includes(path.split('/')[0] ?? '') || TOOL_PATHS.test(path)
}

/** Narrower rules inside the broker, for production code: what each part must not know. */
const NARROW_RULES: readonly {
  readonly from: RegExp
  readonly to: RegExp
  readonly why: string
}[] = [
  {
    from: /^broker\/protocol\//,
    to: /^(?!base\/|broker\/protocol\/)/,
    why: 'broker/protocol imports nothing but base: it describes bytes, and knows no server',
  },
  {
    from: /^broker\/(wal|segment|partition)\//,
    to: /^broker\/(handlers|server)\//,
    why: 'storage does not know who asks: wal, segment and partition import no handlers, no server',
  },
  {
    from: /^broker\/(wal|segment|partition)\//,
    to: /^broker\/coordinator\//,
    why: 'storage does not know what is stored: wal, segment and partition import no coordinator',
  },
  {
    from: /^broker\/coordinator\//,
    to: /^broker\/(handlers|server|wal)\//,
    why: 'a coordinator knows partitions and records, not who asks: it imports no handlers, no server',
  },
  {
    from: /^broker\/handlers\//,
    to: /^broker\/server\//,
    why: 'a handler does not know sockets: handlers do not import the server',
  },
  {
    from: /^(?!(.*\/)?main\.ts$)/,
    to: /^(.*\/)?(main|worker)\.ts$/,
    why: 'main.ts and worker.ts are composition: only a main.ts may import them',
  },
]

interface Import {
  readonly specifier: string
  readonly line: number
}

/** Every module a file names: imports, re-exports, `import()` and `import('x').Type`. */
function importsOf(file: SourceFile): Import[] {
  const imports: Import[] = []
  for (const { node } of visitNodes(file.tree)) {
    let source: unknown
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'ExportNamedDeclaration':
        source = node.source
        break
      case 'TsImportType':
        source = node.argument
        break
      case 'CallExpression':
        if ((node.callee as { type?: string }).type !== 'Import') continue
        source = (node.arguments as { expression: unknown }[])[0]?.expression
        break
      default:
        continue
    }
    const specifier = (source as { value?: unknown } | null | undefined)?.value
    if (typeof specifier === 'string') imports.push({ specifier, line: file.linesOf(node).first })
  }
  return imports
}

function layerOf(path: string): number {
  const folder = path.split('/')[0] ?? ''
  return path.includes('/') ? LAYERS.findIndex((folders) => folders.includes(folder)) : -1
}

/** The message for an import of a project file, or null when it is allowed. */
function refusal(from: string, to: string): string | null {
  const [fromLayer, toLayer] = [layerOf(from), layerOf(to)]
  const [fromFolder, toFolder] = [from.split('/')[0] ?? '', to.split('/')[0] ?? '']
  if (toLayer < 0) return `imports ${to}, which lies in no layer (scripts/check-imports.ts)`
  if (toLayer > fromLayer) return `imports ${to}: ${fromFolder} lies below ${toFolder}`
  if (toLayer === fromLayer && toFolder !== fromFolder) {
    return `imports ${to}: ${fromFolder} and ${toFolder} share a layer and must not meet`
  }
  // Tests may look at everything at or below their own layer, past the narrower rules.
  if (isTestPath(from) || isTool(from)) return null
  if (isTestPath(to)) return `imports ${to}: production code imports no tests nor their helpers`
  const broken = NARROW_RULES.find((rule) => rule.from.test(from) && rule.to.test(to))
  return broken === undefined ? null : `imports ${to}: ${broken.why}`
}

/** `@scope/name/file` → `@scope/name`; null for Node's own modules. */
function packageOf(specifier: string): string | null {
  if (specifier.startsWith('node:')) return null
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
}

/** Cycles as the files on them, each importing the next; at least one for every knot. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = []
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  function visit(path: string): void {
    state.set(path, 'open')
    trail.push(path)
    for (const target of graph.get(path) ?? []) {
      const seen = state.get(target)
      if (seen === 'open') cycles.push(trail.slice(trail.indexOf(target)))
      else if (seen === undefined) visit(target)
    }
    trail.pop()
    state.set(path, 'done')
  }
  for (const path of graph.keys()) if (!state.has(path)) visit(path)
  return cycles
}

/**
 * Holds the direction of imports: the layers, the narrower rules, packages that are installed for
 * development only, and cycles (type imports count: a type two files share belongs in a third).
 */
export function checkImports(
  files: readonly SourceFile[],
  dependencies: ReadonlySet<string>,
): Finding[] {
  const findings: Finding[] = []
  const graph = new Map<string, string[]>()
  for (const file of files) {
    if (layerOf(file.path) < 0) {
      if (!file.path.includes('/')) continue
      const message = 'lies in no layer: give its folder a place in scripts/check-imports.ts'
      findings.push({ path: file.path, line: 0, message })
      continue
    }
    const targets: string[] = []
    graph.set(file.path, targets)
    const isProduction = !isTestPath(file.path) && !isTool(file.path)
    for (const { specifier, line } of importsOf(file)) {
      if (specifier.startsWith('.')) {
        const target = posix.join(posix.dirname(file.path), specifier)
        if (!target.endsWith('.ts')) continue
        targets.push(target)
        const message = refusal(file.path, target)
        if (message !== null) findings.push({ path: file.path, line, message })
      } else {
        const name = packageOf(specifier)
        if (name === null || !isProduction || dependencies.has(name)) continue
        const message = `imports ${name}, which package.json does not list under dependencies`
        findings.push({ path: file.path, line, message })
      }
    }
  }
  for (const cycle of findCycles(graph)) {
    const message = `cycle: ${[...cycle, cycle[0]].join(' → ')}`
    findings.push({ path: cycle[0] ?? '', line: 0, message })
  }
  return findings
}
