import { Socket } from 'node:net'
import { type SecureContext, TLSSocket, type TLSSocketOptions } from 'node:tls'

/** Where a socket puts what it reads: asked for memory before each read, told of the bytes after. */
export interface ReadTarget {
  nextBuffer(): Buffer
  received(count: number): void
}

/** Node's own handle of a socket, of which its types say nothing. */
interface Handle {
  readonly writeQueueSize?: number
  /** Of TLS: the connection below. */
  readonly _parent?: Handle
  verifyError?(): (Error & { code?: string }) | null | undefined
}

interface WithHandle {
  _handle: Handle | null
}

/** What TLSSocket calls of itself, and has set before it does. */
interface TlsInternals {
  _tlsOptions: { acceptedHandle: Handle }
  _wrapHandle(wrap: null, handle: Handle, hasWrites: boolean): Handle
  _releaseControl(): boolean
}

function takeHandle(accepted: Socket): Handle {
  const socket = accepted as unknown as WithHandle
  const handle = socket._handle
  if (handle === null) throw new Error('the socket is closed already')
  socket._handle = null
  return handle
}

function onread(target: ReadTarget): unknown {
  return {
    buffer: () => target.nextBuffer(),
    callback: (count: number) => {
      target.received(count)
      return true
    },
  }
}

/** Node gives accepted sockets no way to read into our own memory, a new one around it does. */
export function plainSocket(accepted: Socket, target: ReadTarget): Socket {
  const handle = takeHandle(accepted)
  const options = { handle, onread: onread(target) }
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
}

/**
 * The server's side of TLS right on an accepted connection. Node reads into our own memory only
 * where a TLS socket has no other socket below it; so this one is given the connection's handle
 * where Node would make a new one. What is decrypted is copied once, to where it is to stay.
 */
class AcceptedTlsSocket extends TLSSocket {
  constructor(handle: Handle, options: TLSSocketOptions) {
    super(undefined as unknown as Socket, { ...options, acceptedHandle: handle } as never)
    // It takes itself for a client's that is still to be connected.
    Object.assign(this, { connecting: false })
  }

  _wrapHandle(wrap: null, _none: unknown, hasWrites: boolean): Handle {
    const { acceptedHandle } = (this as unknown as TlsInternals)._tlsOptions
    const wrapHandle = (TLSSocket.prototype as unknown as TlsInternals)._wrapHandle
    return wrapHandle.call(this, wrap, acceptedHandle, hasWrites)
  }
}

export interface TlsOptions {
  readonly context: SecureContext
  /** Whether clients are asked for a certificate, and whether one without it is refused. */
  readonly requestCert: boolean
  readonly rejectUnauthorized: boolean
}

/** Emits `secure` once the handshake is done; until then an error is the handshake's. */
export function tlsSocket(accepted: Socket, target: ReadTarget, options: TlsOptions): TLSSocket {
  const { context, requestCert, rejectUnauthorized } = options
  return new AcceptedTlsSocket(takeHandle(accepted), {
    isServer: true,
    secureContext: context,
    requestCert,
    rejectUnauthorized,
    onread: onread(target),
  } as TLSSocketOptions)
}

/**
 * To be called at `secure`: from then on errors are the connection's. Returns why the client's
 * certificate is not to be trusted, or null; null also for a client that showed none.
 */
export function whyNotTrusted(socket: TLSSocket): string | null {
  ;(socket as unknown as TlsInternals)._releaseControl()
  if (socket.getPeerX509Certificate() === undefined) return null
  const error = (socket as unknown as WithHandle)._handle?.verifyError?.()
  return error == null ? null : (error.code ?? error.message)
}

/** Bytes of answers that the kernel has not taken yet. */
export function unsentBytes(socket: Socket): number {
  const handle = (socket as unknown as WithHandle)._handle
  return (handle?._parent ?? handle)?.writeQueueSize ?? 0
}
