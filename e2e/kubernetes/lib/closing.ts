interface Closable {
  close(): Promise<void>
}

const open: Closable[] = []

/** Notes what has to be closed when the test ends, however it ends. */
export function closing<T extends Closable>(one: T): T {
  open.push(one)
  return one
}

/** For afterEach. */
export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((each) => each.close()))
}
