/** Record batches (magic 2): the header in place, what a producer may send, and whole batches. */
export * from './batch-header.ts'
export * from './build-batch.ts'
export * from './validate-batch.ts'
