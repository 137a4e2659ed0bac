import { isMap, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import type { z } from 'zod'

/** One thing that is wrong in a resource file. `line` counts from 1. */
export interface ResourceProblem {
  readonly line: number | null
  /** Such as `spec.autoscaling.minReplicas`; empty for the file as a whole. */
  readonly path: string
  /** Continues the path as a sentence: `must not be more than maxReplicas`. */
  readonly message: string
}

export type ParsedResource<T> =
  | { readonly ok: true; readonly resource: T }
  | { readonly ok: false; readonly problems: readonly ResourceProblem[] }

type Path = readonly PropertyKey[]

/**
 * Reads one YAML document (JSON is YAML too) as a resource of `schema`. All problems are told at
 * once, each with the line to look at, because a person corrects a file faster than one by one.
 */
export function parseResource<T>(text: string, schema: z.ZodType<T>): ParsedResource<T> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => ({
      line: lines.linePos(error.pos[0]).line,
      path: '',
      message: `is not valid YAML: ${error.message.split('\n')[0]}`,
    }))
    return { ok: false, problems }
  }
  const value: unknown = document.toJS()
  const result = schema.safeParse(value)
  if (result.success) return { ok: true, resource: result.data }
  const problems: ResourceProblem[] = []
  for (const issue of result.error.issues) {
    const paths =
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => [...issue.path, key])
        : [issue.path]
    for (const path of paths) {
      const offset = offsetOf(document, path)
      problems.push({
        line: offset === null ? null : lines.linePos(offset).line,
        path: pathText(path),
        message: messageOf(issue, value, path),
      })
    }
  }
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
  return { ok: false, problems }
}

/** One line per problem: `cluster.yaml:14: spec.replicas must be a whole number …`. */
export function problemLines(file: string, problems: readonly ResourceProblem[]): string[] {
  return problems.map(({ line, path, message }) => {
    const place = line === null ? file : `${file}:${line}`
    return `${place}: ${path === '' ? 'the file' : path} ${message}`
  })
}

function messageOf(issue: z.core.$ZodIssue, value: unknown, path: Path): string {
  const missing = issue.code !== 'unrecognized_keys' && valueAt(value, path) === undefined
  // zod's own sentences begin like this; ours continue the path.
  const own = !issue.message.startsWith('Invalid')
  if (missing)
    return own && issue.code !== 'custom' ? `is missing; it ${issue.message}` : 'is missing'
  if (own) return issue.message
  if (issue.code === 'invalid_type') return `must be ${withArticle(issue.expected)}`
  return `is not valid: ${issue.message}`
}

function withArticle(type: string): string {
  const known: Record<string, string> = {
    object: 'an object with fields',
    record: 'an object with fields',
    array: 'a list',
    string: 'text (put it in quotes)',
  }
  return known[type] ?? `a ${type}`
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value
  for (const step of path) {
    if (typeof current !== 'object' || current === null) return undefined
    current = (current as Record<PropertyKey, unknown>)[step]
  }
  return current
}

/** Where the field stands, or, if it is missing, the nearest enclosing thing that is there. */
function offsetOf(document: Document, path: Path): number | null {
  for (let length = path.length; length > 0; length--) {
    const parent =
      length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const last = path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === last)
      if (pair && isScalar(pair.key) && pair.key.range) return pair.key.range[0]
    }
    const node = document.getIn(path.slice(0, length), true) as { range?: number[] } | undefined
    if (node?.range?.[0] !== undefined) return node.range[0]
  }
  return null
}

function pathText(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? String(step) : `.${String(step)}`
  }
  return text
}
