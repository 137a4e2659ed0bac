import type { Finding, ProjectFile } from './check-source.ts'

/**
 * Words that must not get into the project: they tie it to one machine. Written so that this file
 * does not contain what it looks for.
 */
const FORBIDDEN: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: /(?<![\w.}*])\/(?:work|root)\/|(?<![\w.}*])\/(?:home|Users)\/\w+\//,
    why: 'names a path of one machine',
  },
  { pattern: /\.\.\/shared\b/, why: 'names a folder outside the project' },
  {
    pattern: /\b(?:registry\.(?:npmjs|yarnpkg)|registry\.npmmirror)\.(?:org|com)\b/,
    why: 'names a package registry',
  },
  { pattern: /\b(?:proxy|sum)\.golang\.org\b/, why: 'names a package registry' },
  { pattern: /\brepo1?\.maven(?:\.apache)?\.org\b/, why: 'names a package registry' },
  { pattern: /\bfiles\.pythonhosted\.org\b/, why: 'names a package registry' },
]

/** Looks for forbidden words in every text file, line by line. */
export function checkWords(files: readonly ProjectFile[]): Finding[] {
  const findings: Finding[] = []
  for (const { path, text } of files) {
    for (const { pattern, why } of FORBIDDEN) {
      if (!pattern.test(text)) continue
      for (const [index, line] of text.split('\n').entries()) {
        const match = pattern.exec(line)
        if (match !== null)
          findings.push({ path, line: index + 1, message: `'${match[0]}' ${why}` })
      }
    }
  }
  return findings
}

type Versions = Record<string, string>
interface Manifest {
  dependencies?: Versions
  devDependencies?: Versions
}
interface LockFile {
  packages?: Record<string, Manifest & { resolved?: string; link?: boolean }>
}

/** The names under `dependencies` of a package.json: what production code may import. */
export function productionDependencies(packageJson: string): Set<string> {
  return new Set(Object.keys((JSON.parse(packageJson) as Manifest).dependencies ?? {}))
}

/**
 * Versions in package.json are exact, the lock file has the same ones, and it names no address to
 * load from: that would tie it to whichever registry the last `npm install` happened to use.
 * `npm install` itself would repair a lock file out of step in silence, differently on each machine.
 */
export function checkPackages(packageJson: string, lockFile: string): Finding[] {
  const findings: Finding[] = []
  const manifest = JSON.parse(packageJson) as Manifest
  const packages = (JSON.parse(lockFile) as LockFile).packages ?? {}
  for (const group of ['dependencies', 'devDependencies'] as const) {
    const locked = packages['']?.[group] ?? {}
    const wanted = manifest[group] ?? {}
    for (const name of new Set([...Object.keys(wanted), ...Object.keys(locked)])) {
      const version = wanted[name]
      if (version !== undefined && !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
        const message = `${name}: '${version}' is not one exact version`
        findings.push({ path: 'package.json', line: 0, message })
      }
      if (version !== locked[name]) {
        const message = `${name} is ${locked[name] ?? 'absent'} here and ${version ?? 'absent'} in package.json`
        findings.push({ path: 'package-lock.json', line: 0, message })
      }
    }
  }
  const addressed = Object.entries(packages).filter(([, entry]) => entry.resolved && !entry.link)
  const first = addressed[0]?.[0]
  if (first !== undefined) {
    const more = addressed.length > 1 ? ` and ${addressed.length - 1} more` : ''
    const message = `'resolved' is set for ${first}${more}: npm config set omit-lockfile-registry-resolved`
    findings.push({ path: 'package-lock.json', line: 0, message })
  }
  return findings
}
