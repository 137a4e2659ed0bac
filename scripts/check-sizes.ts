import { type Finding, type SourceFile, type SyntaxNode, visitNodes } from './check-source.ts'

const FUNCTION_LINES_MAX = 70
const FILE_LINES_MAX = 600
/** A longer file is no error; it is named, so that somebody asks whether it is still one thing. */
const FILE_LINES_NOTED = 400

const FUNCTION_TYPES = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'Constructor',
  'ClassMethod',
  'PrivateMethod',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
])

const TEST_CALLS = new Set([
  'describe',
  'test',
  'it',
  'beforeAll',
  'beforeEach',
  'afterAll',
  'afterEach',
])

/** `test`, `test.only`, `test.each(table)`: the name at the root of what is called. */
function rootOfCall(callee: unknown): string {
  let node = callee as SyntaxNode | undefined
  while (node !== undefined && node.type !== 'Identifier') {
    node = (node.object ?? node.callee ?? node.tag) as SyntaxNode | undefined
  }
  return String(node?.value ?? '')
}

function isTestCallback(path: string, parent: SyntaxNode | null): boolean {
  if (!path.endsWith('.test.ts') || parent?.type !== 'CallExpression') return false
  return TEST_CALLS.has(rootOfCall(parent.callee))
}

function nameOfFunction(node: SyntaxNode, parent: SyntaxNode | null): string {
  const named = (node.identifier ?? node.key ?? parent?.id ?? parent?.key) as SyntaxNode | undefined
  const inner = (named?.id ?? named) as SyntaxNode | undefined
  return typeof inner?.value === 'string' ? inner.value : 'a function without a name'
}

function countLines(text: string): number {
  return text === '' ? 0 : text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

/** Functions of at most 70 lines (callbacks of tests exempt) and files of at most 600. */
export function checkSizes(files: readonly SourceFile[]): { findings: Finding[]; notes: string[] } {
  const findings: Finding[] = []
  const notes: string[] = []
  for (const file of files) {
    const { path } = file
    const lineCount = countLines(file.text)
    if (lineCount > FILE_LINES_MAX) {
      findings.push({ path, line: 0, message: `${lineCount} lines; the most is ${FILE_LINES_MAX}` })
    } else if (lineCount > FILE_LINES_NOTED) notes.push(`${path} has ${lineCount} lines`)
    for (const { node, parent } of visitNodes(file.tree)) {
      if (!FUNCTION_TYPES.has(node.type) || isTestCallback(path, parent)) continue
      const { first, last } = file.linesOf(node)
      const length = last - first + 1
      if (length <= FUNCTION_LINES_MAX) continue
      const name = nameOfFunction(node, parent)
      const message = `${name} has ${length} lines; the most is ${FUNCTION_LINES_MAX}`
      findings.push({ path, line: first, message })
    }
  }
  return { findings, notes }
}
