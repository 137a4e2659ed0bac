/**
 * Loads what brokers and the operator load until they serve, and ends: run with NODE_COMPILE_CACHE
 * it leaves there what Node made of the sources, so that a start need not make it again.
 * Its one argument is the folder of the code.
 */
const ENTRIES = [
  'broker/worker.ts',
  'broker/settings.ts',
  'operator/operator.ts',
  'operator/settings.ts',
]
const PACKAGES = ['@aws-sdk/client-s3', '@kubernetes/client-node']

const [folder = ''] = process.argv.slice(2)
for (const entry of ENTRIES) await import(`${folder}/${entry}`)
for (const name of PACKAGES) await import(name)
