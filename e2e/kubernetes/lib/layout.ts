import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Everything a test cluster takes of this machine, by its name. There is one cluster at a time: the
 * names are fixed, so that what a crashed run has left is found, and nothing else is ever touched.
 */
export const FOLDER = join(tmpdir(), 'streamcluster-kubernetes')
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))
export const PROGRAMS = join(REPOSITORY, '.cache/bin')

/** Addresses of the control plane and of nodes lie on one bridge, those of pods on another. */
export const NODE_BRIDGE = 'sc-nodes'
export const POD_BRIDGE = 'sc-pods'
/** The address of this machine as nodes and pods see it; servers that pods need listen on it. */
export const HOST_ADDRESS = '10.231.0.1'
export const NODE_PREFIX_LENGTH = 24
export const POD_NETWORK = '10.232.0.0/16'
export const POD_GATEWAY = '10.232.0.1'
export const SERVICE_NETWORK = '10.233.0.0/16'
/** The first address of the service network is the API server's own service. */
export const API_SERVICE_ADDRESS = '10.233.0.1'
export const API_PORT = 6443
export const CLUSTER_DOMAIN = 'cluster.local'

/** Below the root of every cgroup hierarchy; nodes have a group of their own in it. */
export const CGROUP = 'streamcluster-e2e'

export const PAUSE_IMAGE = 'streamcluster.io/pause:e2e'

export interface NodePlace {
  readonly index: number
  readonly name: string
  readonly address: string
  readonly zone: string
  readonly folder: string
  /** Absolute, as kubelet wants it. */
  readonly cgroup: string
  /** containerd's socket. */
  readonly socket: string
}

/** Where the node with this index, from 0, has its things. Each is in a zone of its own. */
export function nodePlace(index: number): NodePlace {
  const name = `node-${index + 1}`
  const folder = join(FOLDER, name)
  return {
    index,
    name,
    address: `10.231.0.${11 + index}`,
    zone: `zone-${String.fromCharCode('a'.charCodeAt(0) + index)}`,
    folder,
    cgroup: `/${CGROUP}/${name}`,
    socket: join(folder, 'containerd.sock'),
  }
}
