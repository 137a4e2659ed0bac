/** Callbacks that are told of something, in the order in which they came. */
export class Subscribers<T> {
  private readonly callbacks = new Set<(value: T) => void>()

  /** Returns the way to end the subscription. */
  add(callback: (value: T) => void): () => void {
    this.callbacks.add(callback)
    return () => {
      this.callbacks.delete(callback)
    }
  }

  /**
   * Calls everybody. One that throws keeps nobody else from being told, nor the caller from going
   * on: its error, which is a bug, surfaces as an uncaught one, and is the process's to judge.
   */
  tell(value: T): void {
    for (const callback of this.callbacks) {
      try {
        callback(value)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
