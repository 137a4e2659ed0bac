import { z } from 'zod'
import { fields } from './fields.ts'
import { celRules, dnsName } from './kubernetes.ts'

/** Bucket names as S3 has them; other stores are no stricter. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
/** Folders with single slashes between, none in front. No lookahead: Kubernetes' RE2 has none. */
const PREFIX = /^([A-Za-z0-9._-]+\/)*[A-Za-z0-9._-]*$/

/** Not by orValue: Kubernetes' estimate of a rule's cost knows no length of what that yields. */
function unchanged(name: string): string {
  const [now, before] = [`self.${name}`, `oldSelf.${name}`]
  return `has(${now}) == has(${before}) && (!has(${now}) || ${now} == ${before})`
}

const s3 = fields({
  bucket: z
    .string({ error: 'must be text: the name of the bucket' })
    .regex(BUCKET, 'must be the name of a bucket: 3 to 63 lower-case letters, digits, . and -')
    .describe('The bucket. All data and metadata of the cluster are objects in it.'),
  prefix: z
    .string()
    .max(512, 'must have at most 512 characters')
    .regex(
      PREFIX,
      'must consist of letters, digits and . _ - /, and must not begin with / nor contain //',
    )
    .optional()
    .describe('Where in the bucket the cluster lives. One prefix holds exactly one cluster.'),
  endpoint: z
    .string()
    .regex(/^https?:\/\/[^\s/?#]+[^\s?#]*$/, 'must be a URL such as https://s3.example.com')
    .refine((value) => URL.canParse(value), 'must be a URL such as https://s3.example.com')
    .optional()
    .describe('The address of an S3-compatible store. Default: AWS S3 of the region.'),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'must be the name of a region such as eu-central-1')
    .optional()
    .describe('The region of the bucket. Default: as configured in the environment.'),
  pathStyle: z
    .boolean()
    .optional()
    .describe(
      'Whether the bucket stands in the path of URLs rather than in the name of the host. ' +
        'Default: true with an endpoint, false without.',
    ),
  credentialsSecretRef: fields({
    name: dnsName.describe('The name of the Secret, in the namespace of the cluster.'),
  })
    .optional()
    .describe(
      'The Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if need be, ' +
        'AWS_SESSION_TOKEN. Default: the identity of the pods (workload identity). ' +
        'A local run takes them from its environment.',
    ),
})

const volume = fields({
  claimName: dnsName
    .optional()
    .describe(
      'The PersistentVolumeClaim (ReadWriteMany) that all brokers mount. Kubernetes needs it; it ' +
        'has no part in a local run.',
    ),
  path: z
    .string()
    .min(1, 'must name a folder')
    .max(512, 'must have at most 512 characters')
    .optional()
    .describe(
      'The folder: within the volume, or, in a local run, a folder of this machine ' +
        '(relative to the working directory).',
    ),
})

/** Where everything is kept; exactly one kind, and never another place than at first. */
export const storage = fields({
  s3: s3
    .meta(
      celRules(
        [
          'self.bucket == oldSelf.bucket',
          'bucket cannot change: the bucket is the cluster; make a new StreamCluster for another',
        ],
        [unchanged('prefix'), 'prefix cannot change: what lies under it is the cluster'],
      ),
    )
    .optional()
    .describe('A bucket of S3 or of a store compatible with it.'),
  volume: volume
    .meta(
      celRules(
        ['has(self.claimName)', 'volume needs claimName: a ReadWriteMany claim in this namespace'],
        [unchanged('claimName'), 'claimName cannot change: what lies in the volume is the cluster'],
        [unchanged('path'), 'path cannot change: what lies in the folder is the cluster'],
      ),
    )
    .optional()
    .describe('A shared file system instead of a bucket.'),
})
  .refine((value) => (value.s3 === undefined) !== (value.volume === undefined), {
    error: 'must have exactly one of s3 and volume',
  })
  .meta(
    celRules(
      ['has(self.s3) != has(self.volume)', 'storage must have exactly one of s3 and volume'],
      ['has(self.s3) == has(oldSelf.s3)', 'storage cannot change from one kind to the other'],
    ),
  )

export type StorageSpec = z.infer<typeof storage>
