import { connect, type NetConnectOpts } from 'node:net'

/** Whether somebody accepts connections there: a port of a host, or the path of a socket. */
export function accepts(where: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(where)
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
