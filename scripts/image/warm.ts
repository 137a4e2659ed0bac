/**
 * Loads what a broker or an operator loads until it serves, and ends: run with NODE_COMPILE_CACHE it
 * leaves there what Node made of the sources, so that a start need not make it again. Its arguments
 * are the folder of the code, and the command.
 */
const LOADED: Readonly<
  Record<string, { entries: readonly string[]; packages: readonly string[] }>
> = {
  broker: {
    entries: ['broker/worker.ts', 'broker/settings.ts'],
    packages: ['@aws-sdk/client-s3'],
  },
  operator: {
    entries: ['operator/operator.ts', 'operator/settings.ts'],
    packages: ['@aws-sdk/client-s3', '@kubernetes/client-node'],
  },
}

const [folder = '', command = ''] = process.argv.slice(2)
const loaded = LOADED[command]
if (loaded === undefined) throw new Error(`there is no command ${command}`)
for (const entry of loaded.entries) await import(`${folder}/${entry}`)
for (const name of loaded.packages) await import(name)
