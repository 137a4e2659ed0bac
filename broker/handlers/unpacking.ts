import { Limiter } from '../limiter.ts'

/** Batches of this process that are unpacked at once: each may take 64 MiB, several times over. */
const UNPACKED_MAX = 4

/** Whoever unpacks what came from clients does it within this, produces and searches alike. */
export const unpacking = new Limiter(UNPACKED_MAX)
