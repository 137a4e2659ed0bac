import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { KubeAccess } from '../access.ts'
import type { KubeObject, ResourceKind } from '../objects.ts'
import { pathOf } from '../objects.ts'
import { FakeObjects, type FakeResult, type HistoryEntry, type Target } from './fake-objects.ts'

/** What happens to a request instead of its answer, or after it was carried out (`lost`). */
export type FaultEffect =
  | { readonly status: number; readonly reason?: string; readonly retryAfterSeconds?: number }
  /** The connection ends before anything was done. */
  | 'refused'
  /** It is done, but the connection ends before the answer. */
  | 'lost'
  /** Nothing is done and no answer comes. */
  | 'silent'

export interface Fault {
  readonly effect: FaultEffect
  readonly method?: string
  /** Of the path with its query. */
  readonly path?: RegExp
  /** How many requests; 1 when left out. */
  readonly times?: number
}

export interface SeenRequest {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  readonly body: unknown
}

interface OpenWatch {
  readonly target: Target
  readonly selector: (object: KubeObject) => boolean
  readonly response: http.ServerResponse
  isSilent: boolean
}

/** `a=b,c=d` alone; what else selectors can say throws. */
function selectorOf(query: URLSearchParams): (object: KubeObject) => boolean {
  const wanted = (query.get('labelSelector') ?? '').split(',').filter((part) => part !== '')
  const pairs = wanted.map((part) => {
    const [label, value, more] = part.split('=')
    if (label === undefined || value === undefined || more !== undefined) {
      throw new Error(`the fake API server understands no selector like ${part}`)
    }
    return { label, value }
  })
  return ({ metadata }) => pairs.every(({ label, value }) => metadata.labels?.[label] === value)
}

function targetOf(path: string): Target | null {
  const parts = path.split('/').slice(1).map(decodeURIComponent)
  const versionCount = parts[0] === 'api' ? 2 : parts[0] === 'apis' ? 3 : 0
  if (versionCount === 0 || parts.length <= versionCount) return null
  const prefix = `/${parts.slice(0, versionCount).join('/')}`
  let rest = parts.slice(versionCount)
  let namespace: string | null = null
  if (rest[0] === 'namespaces' && rest.length > 2) {
    namespace = rest[1] ?? null
    rest = rest.slice(2)
  }
  const [plural, name, subresource] = rest
  const collection = `${prefix}/${plural}`
  return { collection, namespace, name: name ?? null, subresource: subresource ?? null }
}

function readBody(incoming: http.IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (piece: string) => {
      text += piece
    })
    incoming.on('end', () => resolve(text))
    incoming.on('error', reject)
  })
}

/**
 * An API server in this process, over real HTTP: objects as {@link FakeObjects} keeps them, paged
 * lists, watches with bookmarks, and faults on demand. It knows every kind, and no namespaces but
 * those that objects name.
 */
export class FakeApiServer {
  readonly objects = new FakeObjects()
  readonly requests: SeenRequest[] = []
  private readonly server: http.Server
  private readonly watches = new Set<OpenWatch>()
  private faults: { fault: Fault; left: number }[] = []

  private constructor() {
    this.server = http.createServer((incoming, response) => {
      this.serve(incoming, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error))
      })
    })
    this.objects.onChange = (entry) => {
      for (const watch of this.watches) if (!watch.isSilent) sendEntry(watch, entry)
    }
  }

  static async start(): Promise<FakeApiServer> {
    const fake = new FakeApiServer()
    await new Promise<void>((resolve) => fake.server.listen(0, '127.0.0.1', resolve))
    return fake
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    await new Promise((resolve) => this.server.close(resolve))
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  access(): KubeAccess {
    const credentials = { headers: {}, tls: {} }
    return {
      server: this.url,
      namespace: null,
      credentials: () => Promise.resolve(credentials),
      forget() {},
    }
  }

  /** Requests that ask for a change of something. */
  get writes(): SeenRequest[] {
    return this.requests.filter(({ method }) => method !== 'GET')
  }

  get watchCount(): number {
    return this.watches.size
  }

  fail(fault: Fault): void {
    this.faults.push({ fault, left: fault.times ?? 1 })
  }

  heal(): void {
    this.faults = []
  }

  /** Puts an object there, as somebody else would. */
  put(kind: ResourceKind, object: KubeObject): KubeObject {
    const { namespace = null, name = null } = object.metadata
    const target = { collection: pathOf(kind), namespace, name, subresource: null }
    const body = { ...object, apiVersion: kind.apiVersion, kind: kind.kind }
    const exists = this.objects.get(target) !== undefined
    const result = exists ? this.objects.replace(target, body) : this.objects.create(target, body)
    if (!('object' in result)) throw new Error(result.message)
    return result.object
  }

  remove(kind: ResourceKind, namespace: string | null, name: string): void {
    this.objects.delete({ collection: pathOf(kind), namespace, name, subresource: null }, {})
  }

  find(kind: ResourceKind, namespace: string | null, name: string): KubeObject | undefined {
    return this.objects.get({ collection: pathOf(kind), namespace, name, subresource: null })
  }

  /** The links break: clients see a reset. */
  cutWatches(): void {
    for (const { response } of this.watches) response.socket?.destroy()
  }

  /** The server ends them in order, as after their time-out. */
  endWatches(): void {
    for (const { response } of this.watches) response.end()
    this.watches.clear()
  }

  /** The links stay up, but nothing comes any more over those that are open now. */
  silenceWatches(): void {
    for (const watch of this.watches) watch.isSilent = true
  }

  sendBookmarks(): void {
    const resourceVersion = String(this.objects.resourceVersion)
    for (const { response, isSilent } of this.watches) {
      if (!isSilent) sendLine(response, 'BOOKMARK', { metadata: { resourceVersion } })
    }
  }

  /** Open watches hear that their history is gone. */
  expireWatches(): void {
    for (const { response } of this.watches) {
      sendLine(response, 'ERROR', statusOf(410, 'Expired', 'too old resource version'))
      response.end()
    }
    this.watches.clear()
  }

  private async serve(incoming: http.IncomingMessage, response: http.ServerResponse) {
    const url = new URL(incoming.url ?? '/', this.url)
    const text = await readBody(incoming)
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    const { method = 'GET', headers } = incoming
    const request = { method, path: url.pathname, query: url.searchParams, headers, body }
    this.requests.push(request)
    const effect = this.takeFault(method, incoming.url ?? '/')
    if (effect === 'silent') return
    if (effect === 'refused') {
      incoming.socket.destroy()
      return
    }
    if (typeof effect === 'object' && effect !== null) {
      const retryAfter = effect.retryAfterSeconds
      if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
      sendStatus(response, effect.status, effect.reason ?? 'InternalError', 'a fault')
      return
    }
    const target = targetOf(request.path)
    if (target === null) return sendStatus(response, 404, 'NotFound', 'no such path')
    if (method === 'GET' && target.name === null) {
      if (request.query.get('watch') === 'true') this.watch(target, request.query, response)
      else this.list(target, request.query, response)
      return
    }
    const result = this.carryOut(target, request)
    if (effect === 'lost') {
      incoming.socket.destroy()
      return
    }
    if ('object' in result) sendJson(response, result.isNew ? 201 : 200, result.object)
    else sendStatus(response, result.code, result.reason, result.message)
  }

  private takeFault(method: string, path: string): FaultEffect | null {
    const entry = this.faults.find(({ fault }) => {
      return (fault.method ?? method) === method && (fault.path?.test(path) ?? true)
    })
    if (entry === undefined) return null
    entry.left--
    if (entry.left <= 0) this.faults.splice(this.faults.indexOf(entry), 1)
    return entry.fault.effect
  }

  private carryOut(target: Target, { method, query, headers, body }: SeenRequest): FakeResult {
    const { objects } = this
    const object = body as KubeObject
    if (method === 'GET') {
      const found = objects.get(target)
      if (found !== undefined) return { object: found, isNew: false }
      return { code: 404, reason: 'NotFound', message: `${target.name} not found` }
    }
    if (method === 'POST') return objects.create(target, object)
    if (method === 'PUT') return objects.replace(target, object)
    if (method === 'DELETE') {
      const { preconditions } = (body ?? {}) as { preconditions?: { uid?: string } }
      return objects.delete(target, preconditions ?? {})
    }
    if (headers['content-type'] === 'application/merge-patch+json') {
      return objects.mergePatch(target, object)
    }
    if (headers['content-type'] === 'application/apply-patch+yaml') {
      const manager = query.get('fieldManager') ?? ''
      return objects.apply(target, object, manager, query.get('force') === 'true')
    }
    return { code: 415, reason: 'UnsupportedMediaType', message: 'no such patch' }
  }

  private list(target: Target, query: URLSearchParams, response: http.ServerResponse): void {
    const { objects } = this
    const [versionText, startText] = (query.get('continue') ?? '').split(':')
    const version = versionText ? Number(versionText) : objects.resourceVersion
    if (version < objects.oldestVersion) {
      sendStatus(response, 410, 'Expired', 'the provided continue parameter is too old')
      return
    }
    const selected = objects.list(target.collection, target.namespace).filter(selectorOf(query))
    const start = Number(startText ?? 0)
    const end = start + Number(query.get('limit') ?? selected.length)
    const metadata = {
      resourceVersion: String(version),
      ...(end < selected.length && { continue: `${version}:${end}` }),
    }
    // As the real one: items do not say what they are.
    const items = selected.slice(start, end).map(({ apiVersion: _, kind: __, ...item }) => item)
    sendJson(response, 200, { kind: 'List', apiVersion: 'v1', metadata, items })
  }

  private watch(target: Target, query: URLSearchParams, response: http.ServerResponse): void {
    const since = Number(query.get('resourceVersion') ?? 0)
    response.writeHead(200, { 'content-type': 'application/json' })
    if (since < this.objects.oldestVersion) {
      sendLine(response, 'ERROR', statusOf(410, 'Expired', 'too old resource version'))
      response.end()
      return
    }
    response.flushHeaders()
    const watch = { target, selector: selectorOf(query), response, isSilent: false }
    this.watches.add(watch)
    response.on('close', () => this.watches.delete(watch))
    for (const entry of this.objects.history) {
      if (entry.resourceVersion > since) sendEntry(watch, entry)
    }
  }
}

/** What comes into or leaves a selection is added or deleted, for who watches it. */
function sendEntry({ target, selector, response }: OpenWatch, entry: HistoryEntry): void {
  if (entry.collection !== target.collection) return
  const { namespace } = entry.object.metadata
  if (target.namespace !== null && namespace !== target.namespace) return
  const was = entry.previous !== null && selector(entry.previous)
  const is = entry.type !== 'DELETED' && selector(entry.object)
  if (is) sendLine(response, was ? 'MODIFIED' : 'ADDED', entry.object)
  else if (was) sendLine(response, 'DELETED', entry.object)
}

function sendLine(response: http.ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`)
}

function statusOf(code: number, reason: string, message: string) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message }
}

function sendStatus(
  response: http.ServerResponse,
  code: number,
  reason: string,
  message: string,
): void {
  sendJson(response, code, statusOf(code, reason, message))
}

function sendJson(response: http.ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
