import type { Timer } from '../../base/clock.ts'
import type { KubeClient, Selection } from './client.ts'
import { failureOfResponse, failureWithoutResponse, type KubeFailure } from './failure.ts'
import { type KubeObject, pathOf, type ResourceKind } from './objects.ts'

/**
 * The API server sends a bookmark about once a minute (75 s at most): a link that says nothing for
 * longer is taken for half-dead. Where it errs, the watch goes on from the same moment: that costs
 * one request.
 */
export const WATCH_IDLE_MS_MAX = 90_000

export type WatchEvent =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: KubeObject }
  /** Nothing happened until `resourceVersion`, which is where the next watch may begin. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string }

/** How one watch ended: `null` when the server ended it in order, as it does after its time. */
export type WatchEnd = KubeFailure | null

const EVENT_TYPES = { ADDED: 'added', MODIFIED: 'modified', DELETED: 'deleted' } as const

/** One line of a watch; a failure when the server says that it cannot go on, or makes no sense. */
function eventOf(line: string): WatchEvent | { readonly type: 'error'; failure: KubeFailure } {
  const unreadable = (words: string): { type: 'error'; failure: KubeFailure } => {
    return { type: 'error', failure: failureWithoutResponse('Unreadable', words, false) }
  }
  let event: { type?: unknown; object?: unknown }
  try {
    event = JSON.parse(line) as typeof event
  } catch {
    return unreadable('an event of the watch is no JSON')
  }
  const { type, object } = event
  if (typeof object !== 'object' || object === null) return unreadable('an event has no object')
  if (type === 'ERROR') {
    const { code } = object as { code?: unknown }
    const status = typeof code === 'number' ? code : 500
    return { type: 'error', failure: failureOfResponse(status, object, undefined) }
  }
  const { metadata } = object as Partial<KubeObject>
  if (typeof metadata !== 'object' || metadata === null) {
    return unreadable('an object of the watch has no metadata')
  }
  if (type === 'BOOKMARK') {
    return { type: 'bookmark', resourceVersion: metadata.resourceVersion ?? '' }
  }
  const known = EVENT_TYPES[type as keyof typeof EVENT_TYPES]
  if (known === undefined) return unreadable(`an event of unknown type: ${String(type)}`)
  return { type: known, object: object as KubeObject }
}

export interface WatchOptions extends Selection {
  readonly kind: ResourceKind
  /** What happened after this moment is told. */
  readonly resourceVersion: string
  /** The server ends the watch after this long, so that its load spreads anew. */
  readonly timeoutSeconds: number
  readonly idleMsMax?: number
  readonly onOpen?: () => void
  readonly onEvent: (event: WatchEvent) => void
  /** Exactly once, unless the watch is closed before. */
  readonly onEnd: (end: WatchEnd) => void
}

/**
 * One watch over one connection. It ends with a failure of status 410 when the server no longer
 * knows what happened since `resourceVersion`; then everything has to be listed anew.
 */
export function openWatch(client: KubeClient, options: WatchOptions): { close(): void } {
  const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = options
  const idleMsMax = options.idleMsMax ?? WATCH_IDLE_MS_MAX
  let isOver = false
  let idleTimer: Timer | null = null
  const finish = (): void => {
    isOver = true
    idleTimer?.cancel()
    stream.close()
  }
  const end = (reason: WatchEnd): void => {
    if (isOver) return
    finish()
    options.onEnd(reason)
  }
  const heard = (): void => {
    idleTimer?.cancel()
    idleTimer = client.clock.after(idleMsMax, () => {
      end(failureWithoutResponse('Timeout', `the watch was silent for ${idleMsMax} ms`, false))
    })
  }
  const stream = client.stream(
    pathOf(options.kind, namespace === undefined ? {} : { namespace }),
    {
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion,
      timeoutSeconds,
      labelSelector,
      fieldSelector,
    },
    {
      onOpen() {
        heard()
        options.onOpen?.()
      },
      onLine(line) {
        if (isOver) return
        heard()
        const event = eventOf(line)
        if (event.type === 'error') end(event.failure)
        else options.onEvent(event)
      },
      onEnd: end,
    },
  )
  return {
    close() {
      if (!isOver) finish()
    },
  }
}
