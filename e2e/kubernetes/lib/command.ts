import { finished, spawnGuarded } from '../../lib/child.ts'

export interface CommandOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end, and returns what it printed. Throws, with its errors, when it fails. */
export async function command(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const child = spawnGuarded(program, args, { env: { ...process.env, ...options.env } })
  child.stdin?.end(options.input ?? '')
  const { code, stdout, stderr } = await finished(child)
  if (code !== 0) {
    throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr || stdout}`)
  }
  return stdout
}

/** As {@link command}, for what may have been done already: true when it ended well. */
export async function attempt(program: string, args: readonly string[]): Promise<boolean> {
  const child = spawnGuarded(program, args)
  child.stdin?.end()
  const { code } = await finished(child)
  return code === 0
}
