import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { parseResource, problemLines } from '../api/parse-resource.ts'
import { type StreamCluster, streamCluster } from '../api/stream-cluster.ts'
import { type LocalStorage, localStorageOf } from './storage.ts'

export interface LocalOptions {
  readonly cluster: StreamCluster
  readonly storage: LocalStorage
  readonly port: number
}

export type LocalOptionsResult =
  | { readonly kind: 'run'; readonly options: LocalOptions }
  | { readonly kind: 'help'; readonly text: string }
  /** Each line says what is wrong and, where it can, what to do. */
  | { readonly kind: 'refused'; readonly lines: readonly string[] }

const FILE_DEFAULT = 'examples/streamcluster.yaml'

const HELP = `Runs the StreamCluster of a file on this machine, without Kubernetes.

  --file   FILE   the resource (default ${FILE_DEFAULT})
  --port   PORT   where clients bootstrap, instead of the listener's port; 0 is any free one
  --data   DATA   the folder to keep data in, instead of the path of spec.storage.volume;
                  or file:///folder, or s3://bucket/prefix, with the usual AWS variables
  --help          this text

FILE, PORT and DATA may come from the environment as well. Ctrl-C drains and ends; twice ends at
once. STREAMCLUSTER_LOG_LEVEL (debug, info, warn, error) is for the logs of the brokers.`

/** Reads arguments, environment and the resource file. Never throws for what a person gave. */
export function readOptions(input: {
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly workingFolder: string
  readonly fileDefault?: string
}): LocalOptionsResult {
  const { environment } = input
  let values: { file?: string; port?: string; data?: string; help?: boolean }
  try {
    const text = { type: 'string' } as const
    const options = { file: text, port: text, data: text, help: { type: 'boolean' } } as const
    values = parseArgs({ args: [...input.args], options }).values
  } catch (error) {
    return refused((error as Error).message, 'try --help')
  }
  if (values.help) return { kind: 'help', text: HELP }

  // An empty value is one that was not given: make passes variables on whether they are set or not.
  const file = values.file || environment.FILE || input.fileDefault || FILE_DEFAULT
  const data = values.data || environment.DATA || null
  const portText = values.port || environment.PORT || null
  const cluster = readCluster(file)
  if (cluster.kind === 'refused') return cluster
  const [listener, ...more] = cluster.resource.spec.listeners
  if (more.length > 0 || listener?.type !== 'internal' || listener.tls === true) {
    return refused(
      `${file}: spec.listeners must be one of type internal, without tls, for a local run`,
    )
  }
  const port = portText === null ? listener.port : parsePort(portText)
  if (port === null || port === undefined) {
    return refused(`PORT is ${portText}: it must be a number from 0 to 65535`)
  }
  const { workingFolder } = input
  const result = localStorageOf(cluster.resource, { data, workingFolder, environment })
  // What DATA says wrong is not the file's fault.
  if (!result.ok) return refused(data === null ? `${file}: ${result.message}` : result.message)
  return { kind: 'run', options: { cluster: cluster.resource, storage: result.storage, port } }
}

type Refused = Extract<LocalOptionsResult, { kind: 'refused' }>

function refused(...lines: string[]): Refused {
  return { kind: 'refused', lines }
}

function readCluster(file: string): { kind: 'read'; resource: StreamCluster } | Refused {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    return refused(`${file}: ${why}; name another one with FILE=path/to/cluster.yaml`)
  }
  const parsed = parseResource(text, streamCluster)
  if (!parsed.ok) return refused(...problemLines(file, parsed.problems))
  return { kind: 'read', resource: parsed.resource }
}

function parsePort(text: string): number | null {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : null
  return port !== null && port <= 65_535 ? port : null
}
