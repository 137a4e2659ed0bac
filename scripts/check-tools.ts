import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** What a tool of the toolchain said. `output` is what it printed, without colours, trimmed. */
export interface ToolResult {
  readonly passed: boolean
  readonly output: string
}

const TOOL_MS_MAX = 120_000

/** Runs a program of node_modules under this very Node. A missing tool is a failure with words. */
function runTool(
  root: string,
  tool: string,
  toolArguments: readonly string[],
): Promise<ToolResult> {
  const path = join(root, 'node_modules', tool)
  if (!existsSync(path)) {
    const output = `node_modules/${tool} is missing: run 'make install'`
    return Promise.resolve({ passed: false, output })
  }
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path, ...toolArguments], {
      cwd: root,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TOOL_MS_MAX,
    })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', (error) => resolve({ passed: false, output: String(error) }))
    child.on('close', (code, signal) => {
      const text = Buffer.concat(chunks).toString('utf8').trim()
      const ended = signal === null ? '' : `\nended by ${signal} (the limit is ${TOOL_MS_MAX} ms)`
      resolve({ passed: code === 0, output: text + ended })
    })
  })
}

/** Types, of the program and of these scripts (which have their own tsconfig.json). */
export async function checkTypes(root: string): Promise<ToolResult> {
  const projects = ['tsconfig.json', 'scripts/tsconfig.json']
  const results = await Promise.all(
    projects
      .filter((project) => existsSync(join(root, project)))
      .map((project) => runTool(root, 'typescript/bin/tsc', ['--noEmit', '-p', project])),
  )
  // The two projects overlap, so the same error may come twice.
  const lines = new Set(results.flatMap(({ output }) => output.split('\n')))
  return { passed: results.every(({ passed }) => passed), output: [...lines].join('\n').trim() }
}

const BIOME = '@biomejs/biome/bin/biome'

/** The files that `make fix` would format, one per line. */
export async function checkFormat(root: string): Promise<ToolResult> {
  const flags = ['--reporter=concise', '--max-diagnostics=none']
  const { passed, output } = await runTool(root, BIOME, ['format', ...flags])
  const paths = [...output.matchAll(/^\S* ?(\S+): format: Formatter would/gm)].map(
    ([, path]) => path,
  )
  // Anything else it says (a file it cannot parse, a broken configuration) is shown as it is.
  const errorCount = Number(/^Found (\d+) error/m.exec(output)?.[1])
  const isOnlyFormat = errorCount === paths.length
  return { passed, output: isOnlyFormat ? `${paths.join('\n')}\n'make fix' formats` : output }
}

/** Lint. Warnings fail too: a rule that may be ignored is none. */
export function checkLint(root: string): Promise<ToolResult> {
  const flags = ['--error-on-warnings', '--diagnostic-level=warn', '--max-diagnostics=200']
  return runTool(root, BIOME, ['lint', ...flags])
}

/** Files, exports and packages that nothing uses. */
export function checkUnused(root: string): Promise<ToolResult> {
  return runTool(root, 'knip/bin/knip.js', ['--no-progress', '--no-config-hints'])
}
