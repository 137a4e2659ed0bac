import { createHash } from 'node:crypto'
import { tar, type TarEntry } from './tar.ts'

/** What a container runtime is told about an image; the names are those of the specification. */
export interface ImageConfig {
  readonly User?: string
  readonly Env?: readonly string[]
  readonly Entrypoint?: readonly string[]
  readonly Cmd?: readonly string[]
  readonly WorkingDir?: string
  readonly Labels?: Readonly<Record<string, string>>
}

export interface Image {
  /** With its tag, such as `host/name:tag`. */
  readonly name: string
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly (readonly TarEntry[])[]
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/**
 * The bytes of an archive with one image for this machine's architecture, the same for the same
 * input. Layers are not compressed: it is made to be read on the same machine.
 * Source of the format: OCI Image Format Specification 1.0, image layout.
 */
export function ociArchive({ name, config, layers }: Image): Buffer {
  const blobs: TarEntry[] = []
  const descriptor = (mediaType: string, content: Buffer): object => {
    const digest = digestOf(content)
    const path = `blobs/${digest.replace(':', '/')}`
    if (!blobs.some((blob) => blob.path === path)) blobs.push({ path, mode: 0o644, content })
    return { mediaType, digest, size: content.length }
  }
  const archives = layers.map((layer) => tar(layer))
  const architecture = ARCHITECTURES[process.arch] ?? process.arch
  const imageConfig = json({
    created: '1970-01-01T00:00:00Z',
    ...{ architecture, os: 'linux', config },
    rootfs: { type: 'layers', diff_ids: archives.map(digestOf) },
  })
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', imageConfig),
    layers: archives.map((bytes) => descriptor('application/vnd.oci.image.layer.v1.tar', bytes)),
  })
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        platform: { architecture, os: 'linux' },
        // containerd takes the whole name from the first, others the tag from the second.
        annotations: {
          'io.containerd.image.name': name,
          'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
        },
      },
    ],
  })
  return tar([
    { path: 'oci-layout', mode: 0o644, content: json({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', mode: 0o644, content: index },
    ...blobs,
  ])
}
