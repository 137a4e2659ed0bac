import type { Clock } from '../../base/clock.ts'
import type { KubeClient } from '../kube/client.ts'
import type { User } from './authentication.ts'

/** What somebody wants to read. */
export interface ReadAttributes {
  readonly namespace: string
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly name: string
  readonly subresource: string
}

/** As Kubernetes' own API servers that ask another one. */
const ALLOWED_MS = 10_000
const VERDICTS_MAX = 10_000
const SUPERUSERS = 'system:masters'

/** Asks the API server who may read what (SubjectAccessReview), and remembers it for a while. */
export class Authorization {
  private readonly client: KubeClient
  private readonly clock: Clock
  private readonly verdicts = new Map<string, { isAllowed: boolean; atMs: number }>()

  constructor(options: { client: KubeClient; clock: Clock }) {
    this.client = options.client
    this.clock = options.clock
  }

  /** Who cannot be asked for is refused. */
  async mayGet(user: User, attributes: ReadAttributes): Promise<boolean> {
    if (user.groups.includes(SUPERUSERS)) return true
    const key = JSON.stringify([user, attributes])
    const nowMs = this.clock.nowMs()
    const known = this.verdicts.get(key)
    if (known !== undefined && nowMs - known.atMs < ALLOWED_MS) return known.isAllowed
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
    const { name, uid, groups, extra } = user
    const reviewed = await this.client.raw<{ status?: { allowed?: boolean } }>('POST', path, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: name, uid, groups, extra, resourceAttributes: { verb: 'get', ...attributes } },
    })
    if (!reviewed.ok) return false
    const isAllowed = reviewed.value.status?.allowed === true
    if (this.verdicts.size >= VERDICTS_MAX) this.verdicts.clear()
    this.verdicts.set(key, { isAllowed, atMs: nowMs })
    return isAllowed
  }
}
