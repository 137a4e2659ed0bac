import { X509Certificate } from 'node:crypto'
import { constants } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { TlsSettings } from '../listener-settings.ts'

interface Files {
  readonly certificate: string
  readonly key: string
  readonly clientCa: string | null
}

export interface TlsCredentialsOptions {
  readonly listener: string
  readonly settings: TlsSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly pollMs: number
}

/**
 * The certificate and key of one listener, read again when the files change. Their content is
 * compared, not their times, and nobody watches them: Kubernetes puts new content behind the same
 * name by moving a link. Who is connected stays so; new connections get what was read last.
 */
export class TlsCredentials {
  readonly settings: TlsSettings
  private readonly options: TlsCredentialsOptions
  private current: SecureContext
  private files: Files
  /** Why the files cannot be used as they are now; told once. */
  private trouble: string | null = null
  private timer: Timer | null = null
  private stopped = false

  private constructor(options: TlsCredentialsOptions, files: Files) {
    this.options = options
    this.settings = options.settings
    this.files = files
    this.current = contextOf(options, files)
    this.tell('a certificate is used')
    this.poll()
  }

  /** Reads them, and again every `pollMs` until `stop`. Throws what a person must mend. */
  static async load(options: TlsCredentialsOptions): Promise<TlsCredentials> {
    const { listener, settings } = options
    try {
      return new TlsCredentials(options, await read(settings))
    } catch (error) {
      const why = (error as Error).message
      throw new Error(`TLS of the listener ${listener} cannot be used: ${why}`, { cause: error })
    }
  }

  /** What the next connection is to be met with. */
  get context(): SecureContext {
    return this.current
  }

  stop(): void {
    this.stopped = true
    this.timer?.cancel()
  }

  private poll(): void {
    if (this.stopped) return
    const { clock, pollMs } = this.options
    this.timer = clock.after(pollMs, () => void this.look().then(() => this.poll()))
  }

  private async look(): Promise<void> {
    try {
      const files = await read(this.settings)
      const { certificate, key, clientCa } = this.files
      const isSame =
        files.certificate === certificate && files.key === key && files.clientCa === clientCa
      if (!isSame) {
        this.current = contextOf(this.options, files)
        this.files = files
        this.tell('a certificate was replaced')
      }
      this.trouble = null
    } catch (error) {
      // Two files are rarely written in one step: what does not go together now may at the next look.
      const trouble = (error as Error).message
      if (trouble === this.trouble) return
      this.trouble = trouble
      const { logger, listener } = this.options
      logger.warn('a changed certificate cannot be used: the old one stays', { listener, error })
    }
  }

  private tell(message: string): void {
    const { listener, clock, logger } = this.options
    const { subject, validTo } = new X509Certificate(this.files.certificate)
    const fields = { listener, subject: subject?.replaceAll('\n', ', '), validTo }
    if (Date.parse(validTo) > clock.wallMs()) logger.info(message, fields)
    else logger.warn(`${message} that has expired`, fields)
  }
}

async function read(settings: TlsSettings): Promise<Files> {
  const { certificateFile, keyFile, clientCaFile } = settings
  const [certificate, key, clientCa] = await Promise.all([
    readFile(certificateFile, 'utf8'),
    readFile(keyFile, 'utf8'),
    clientCaFile === null ? null : readFile(clientCaFile, 'utf8'),
  ])
  return { certificate, key, clientCa }
}

/** Throws, by the file's name, what cannot be used. */
function contextOf({ listener, settings }: TlsCredentialsOptions, files: Files): SecureContext {
  const { certificateFile, keyFile, clientCaFile, versionMin } = settings
  checkCertificate(certificateFile, files.certificate)
  // OpenSSL takes a file without any certificate for one that trusts nobody, and says nothing.
  if (files.clientCa !== null) checkCertificate(clientCaFile ?? '', files.clientCa)
  try {
    return createSecureContext({
      cert: files.certificate,
      key: files.key,
      // Nobody at all by default: it would be every public authority otherwise.
      ca: files.clientCa ?? [],
      minVersion: versionMin,
      honorCipherOrder: true,
      // TLS 1.2 lets clients ask for a new handshake at any time, which costs only the server.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      sessionIdContext: listener.slice(0, 32),
    })
  } catch (error) {
    const why = (error as Error).message
    throw new Error(`${certificateFile} and ${keyFile} do not go together: ${why}`, {
      cause: error,
    })
  }
}

function checkCertificate(file: string, text: string): void {
  try {
    new X509Certificate(text)
  } catch (error) {
    throw new Error(`${file} holds no certificate in PEM`, { cause: error })
  }
}
