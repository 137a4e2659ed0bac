/**
 * Holds the project's rules; `make check` runs it. Prints one block per rule that is broken, and
 * one line at the end. Ends with 1 when a rule is broken.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkGlobals } from './check-globals.ts'
import { checkImports } from './check-imports.ts'
import { checkPackages, checkWords, productionDependencies } from './check-repository.ts'
import { checkSizes } from './check-sizes.ts'
import { type Finding, parseSource, readFiles, type SourceFile } from './check-source.ts'
import { checkFormat, checkLint, checkTypes, checkUnused, type ToolResult } from './check-tools.ts'

interface Verdict {
  readonly rule: string
  /** Empty when the rule holds. */
  readonly problems: string
}

function fromTool(rule: string, result: ToolResult): Verdict {
  return { rule, problems: result.passed ? '' : result.output || 'failed without a word' }
}

function fromFindings(rule: string, findings: readonly Finding[]): Verdict {
  const lines = findings.map(({ path, line, message }) =>
    line === 0 ? `${path}  ${message}` : `${path}:${line}  ${message}`,
  )
  return { rule, problems: lines.join('\n') }
}

/** The rules that read the files themselves; they take a second, beside the tools. */
function checkFiles(root: string): { verdicts: Verdict[]; notes: string[]; fileCount: number } {
  const files = readFiles(root)
  const sources: SourceFile[] = []
  const unreadable: Finding[] = []
  for (const file of files) {
    if (!file.path.endsWith('.ts')) continue
    try {
      sources.push(parseSource(file))
    } catch (error) {
      const words = (error as Error).message.split('\n').slice(0, 4).join(' ').trim()
      unreadable.push({ path: file.path, line: 0, message: `cannot be parsed: ${words}` })
    }
  }
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  const packageJson = read('package.json')
  const sizes = checkSizes(sources)
  const verdicts = [
    fromFindings('imports', [
      ...unreadable,
      ...checkImports(sources, productionDependencies(packageJson)),
    ]),
    fromFindings('globals', checkGlobals(sources)),
    fromFindings('sizes', sizes.findings),
    fromFindings('words', checkWords(files)),
    fromFindings('packages', checkPackages(packageJson, read('package-lock.json'))),
  ]
  return { verdicts, notes: sizes.notes, fileCount: files.length }
}

async function main(root: string): Promise<number> {
  const started = performance.now()
  const tools = Promise.all([
    checkTypes(root).then((result) => fromTool('types', result)),
    checkFormat(root).then((result) => fromTool('format', result)),
    checkLint(root).then((result) => fromTool('lint', result)),
    checkUnused(root).then((result) => fromTool('unused', result)),
  ])
  const { verdicts: fileVerdicts, notes, fileCount } = checkFiles(root)
  const verdicts = [...(await tools), ...fileVerdicts]
  const broken = verdicts.filter(({ problems }) => problems !== '')
  for (const { rule, problems } of broken) {
    console.log(`── ${rule} ──\n${problems.replace(/^/gm, '  ')}\n`)
  }
  if (notes.length > 0) console.log(`note: long for one purpose: ${notes.join(', ')}`)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const names = (list: readonly Verdict[]): string => list.map(({ rule }) => rule).join(', ')
  console.log(
    broken.length === 0
      ? `check: all ${verdicts.length} rules hold in ${fileCount} files (${names(verdicts)}), ${seconds} s`
      : `check: ${broken.length} of ${verdicts.length} rules broken (${names(broken)}), ${seconds} s`,
  )
  return broken.length === 0 ? 0 : 1
}

process.exitCode = await main(process.cwd())
