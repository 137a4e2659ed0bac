import {
  type Finding,
  isTestPath,
  type SourceFile,
  type SyntaxNode,
  visitNodes,
} from './check-source.ts'

const CLOCK = 'take a Clock (base/clock.ts)'
const TIMER = 'take a Clock and use after() or sleep() (base/clock.ts)'
const RANDOM = 'take a Random (base/random.ts)'

/** Names that stand for time or timers wherever they are not a property. */
const GLOBALS: ReadonlyMap<string, string> = new Map([
  ['setTimeout', TIMER],
  ['setInterval', TIMER],
  ['setImmediate', TIMER],
])

/** `object.property` pairs. Event-loop utilisation is a measurement, so `performance` may stay. */
const MEMBERS: ReadonlyMap<string, string> = new Map([
  ['Date.now', CLOCK],
  ['performance.now', CLOCK],
  ['performance.timeOrigin', CLOCK],
  ['process.hrtime', CLOCK],
  ['AbortSignal.timeout', TIMER],
  ['globalThis.setTimeout', TIMER],
  ['globalThis.setInterval', TIMER],
  ['globalThis.setImmediate', TIMER],
  ['Math.random', RANDOM],
])

/** Properties that are random whatever they are read from (`crypto`, `webcrypto`, a namespace). */
const RANDOM_PROPERTIES = new Set([
  'randomUUID',
  'randomUUIDv7',
  'randomBytes',
  'randomInt',
  'randomFill',
  'randomFillSync',
  'getRandomValues',
])

const MODULES: ReadonlyMap<string, string> = new Map([
  ['timers', TIMER],
  ['timers/promises', TIMER],
])

/** Real time is for the one folder that wraps it, and for what is no part of production. */
function mayUseRealTime(path: string): boolean {
  return isTestPath(path) || /^(base|bench|e2e|compat|scripts|operator\/local)\//.test(path)
}

function nameOf(node: unknown): string | undefined {
  const { type, value } = (node ?? {}) as { type?: string; value?: unknown }
  const isName = type === 'Identifier' || type === 'StringLiteral'
  return isName && typeof value === 'string' ? value : undefined
}

/** `a.b` and `a['b']` as ['a', 'b']; the object may be anything, then it is undefined. */
function memberOf(node: SyntaxNode): { object: string | undefined; property: string | undefined } {
  const property = node.property as SyntaxNode
  const computed = property.type === 'Computed' ? property.expression : property
  return { object: nameOf(node.object), property: nameOf(computed) }
}

function importRefusal(node: SyntaxNode): string | null {
  const module = nameOf(node.source)?.replace(/^node:/, '') ?? ''
  const replacement = MODULES.get(module)
  if (replacement !== undefined) return `node:${module} is not allowed here: ${replacement}`
  if (module !== 'crypto') return null
  for (const specifier of (node.specifiers ?? []) as { imported?: unknown; local?: unknown }[]) {
    const name = nameOf(specifier.imported ?? specifier.local) ?? ''
    if (RANDOM_PROPERTIES.has(name)) return `${name} is not allowed here: ${RANDOM}`
  }
  return null
}

function refusal(node: SyntaxNode, parent: SyntaxNode | null): string | null {
  switch (node.type) {
    case 'Identifier': {
      // A property's name is something else, and has no scope or is the key of what declares it.
      if (parent?.key === node) return null
      const replacement = node.ctxt === undefined ? undefined : GLOBALS.get(String(node.value))
      return replacement === undefined ? null : `${node.value} is not allowed here: ${replacement}`
    }
    case 'MemberExpression': {
      const { object, property } = memberOf(node)
      if (property === undefined) return null
      const replacement = MEMBERS.get(`${object}.${property}`)
      if (replacement !== undefined)
        return `${object}.${property} is not allowed here: ${replacement}`
      return RANDOM_PROPERTIES.has(property) && object !== undefined && /crypto/i.test(object)
        ? `${object}.${property} is not allowed here: ${RANDOM}`
        : null
    }
    case 'NewExpression': {
      const given = (node.arguments ?? []) as unknown[]
      return nameOf(node.callee) === 'Date' && given.length === 0
        ? `new Date() is not allowed here: ${CLOCK}`
        : null
    }
    case 'CallExpression':
      return nameOf(node.callee) === 'Date' ? `Date() is not allowed here: ${CLOCK}` : null
    case 'ImportDeclaration':
      return importRefusal(node)
    default:
      return null
  }
}

/**
 * Time and randomness come from outside: the simulator owns both, and one seed must decide a run.
 * Reports every use of the machine's own clock, timers and random source where it is not allowed.
 */
export function checkGlobals(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = []
  for (const file of files) {
    if (mayUseRealTime(file.path)) continue
    for (const { node, parent } of visitNodes(file.tree)) {
      const message = refusal(node, parent)
      if (message !== null)
        findings.push({ path: file.path, line: file.linesOf(node).first, message })
    }
  }
  return findings
}
