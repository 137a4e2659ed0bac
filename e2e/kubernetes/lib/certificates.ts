import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from './command.ts'
import { API_PORT, API_SERVICE_ADDRESS, FOLDER, HOST_ADDRESS, type NodePlace } from './layout.ts'

const FOLDER_OF_KEYS = join(FOLDER, 'pki')
const DAYS_VALID = 2
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

export function certificate(name: string): string {
  return join(FOLDER_OF_KEYS, `${name}.crt`)
}

export function privateKey(name: string): string {
  return join(FOLDER_OF_KEYS, `${name}.key`)
}

/** Kubernetes keeps the keys of service accounts' tokens apart from all certificates. */
export const TOKEN_KEY = privateKey('service-accounts')
export const TOKEN_PUBLIC_KEY = join(FOLDER_OF_KEYS, 'service-accounts.pub')
/** Signs everything but what {@link FRONT_PROXY} signs. */
export const AUTHORITY = 'authority'
/** Signs only what the API server shows to API servers behind it: whoever has it may be anyone. */
export const FRONT_PROXY = 'front-proxy-authority'
/** The common name that aggregated API servers are told to accept. */
export const FRONT_PROXY_CLIENT = 'front-proxy-client'

export function kubeconfigFile(name: string): string {
  return join(FOLDER, 'kubeconfigs', `${name}.json`)
}

async function newAuthority(name: string): Promise<void> {
  await command('openssl', [
    ...['req', '-x509', ...NEW_KEY, '-days', String(DAYS_VALID), '-subj', `/CN=${name}`],
    ...['-keyout', privateKey(name), '-out', certificate(name)],
    ...['-addext', 'keyUsage=critical,keyCertSign,digitalSignature'],
  ])
}

interface Wanted {
  readonly name: string
  readonly commonName: string
  /** Kubernetes takes it for the group of the user that the common name is. */
  readonly organization?: string
  readonly authority?: string
  /** A server's; without them it is a client's certificate. */
  readonly alternativeNames?: readonly string[]
}

async function newCertificate(wanted: Wanted): Promise<void> {
  const { name, commonName, organization, authority = AUTHORITY, alternativeNames } = wanted
  const group = organization === undefined ? '' : `/O=${organization}`
  const usage = alternativeNames === undefined ? 'clientAuth' : 'serverAuth,clientAuth'
  await command('openssl', [
    ...['req', '-x509', ...NEW_KEY, '-days', String(DAYS_VALID)],
    ...['-subj', `${group}/CN=${commonName}`],
    ...['-CA', certificate(authority), '-CAkey', privateKey(authority)],
    ...['-keyout', privateKey(name), '-out', certificate(name)],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', `extendedKeyUsage=${usage}`],
    ...(alternativeNames === undefined
      ? []
      : ['-addext', `subjectAltName=${alternativeNames.join(',')}`]),
  ])
}

async function newTokenKey(): Promise<void> {
  await command('openssl', ['genrsa', '-out', TOKEN_KEY, '2048'])
  await command('openssl', ['rsa', '-in', TOKEN_KEY, '-pubout', '-out', TOKEN_PUBLIC_KEY])
}

async function newKubeconfig(name: string): Promise<void> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [
      {
        name: 'e2e',
        cluster: {
          server: `https://${HOST_ADDRESS}:${API_PORT}`,
          'certificate-authority': certificate(AUTHORITY),
        },
      },
    ],
    users: [
      {
        name,
        user: { 'client-certificate': certificate(name), 'client-key': privateKey(name) },
      },
    ],
    contexts: [{ name, context: { cluster: 'e2e', user: name, namespace: 'default' } }],
  }
  await writeFile(kubeconfigFile(name), JSON.stringify(config, null, 2))
}

const API_SERVER_NAMES = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'localhost',
].map((name) => `DNS:${name}`)

/** Makes all keys, certificates and kubeconfig files of a cluster, below its folder. */
export async function makeCertificates(nodes: readonly NodePlace[]): Promise<void> {
  await mkdir(FOLDER_OF_KEYS, { recursive: true, mode: 0o700 })
  await mkdir(join(FOLDER, 'kubeconfigs'), { recursive: true, mode: 0o700 })
  const users: Wanted[] = [
    { name: 'admin', commonName: 'e2e-admin', organization: 'system:masters' },
    { name: 'controller-manager', commonName: 'system:kube-controller-manager' },
    { name: 'scheduler', commonName: 'system:kube-scheduler' },
    { name: 'proxy', commonName: 'system:kube-proxy' },
    ...nodes.map(({ name }) => {
      return { name, commonName: `system:node:${name}`, organization: 'system:nodes' }
    }),
  ]
  await Promise.all([newAuthority(AUTHORITY), newAuthority(FRONT_PROXY), newTokenKey()])
  const addresses = [HOST_ADDRESS, API_SERVICE_ADDRESS, '127.0.0.1'].map((each) => `IP:${each}`)
  await Promise.all([
    ...users.map((user) => newCertificate(user)),
    ...users.map(({ name }) => newKubeconfig(name)),
    newCertificate({
      name: 'api-server',
      commonName: 'kube-apiserver',
      alternativeNames: [...API_SERVER_NAMES, ...addresses],
    }),
    newCertificate({
      name: 'kubelet-client',
      commonName: 'kube-apiserver-kubelet-client',
      organization: 'system:masters',
    }),
    newCertificate({
      name: FRONT_PROXY_CLIENT,
      commonName: FRONT_PROXY_CLIENT,
      authority: FRONT_PROXY,
    }),
  ])
}
