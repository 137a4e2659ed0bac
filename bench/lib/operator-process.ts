import { systemClock } from '../../base/clock.ts'
import { jsonLogger } from '../../base/log.ts'
import { systemRandom } from '../../base/random.ts'
import { Operator } from '../../operator/operator.ts'
import { operatorSettings } from '../../operator/settings.ts'

/**
 * The operator as in a pod, but without TLS to its API server (KUBE_URL): by a kubeconfig it would
 * load a library that it never needs there.
 */
const credentials = { headers: {}, tls: {} }
await Operator.start({
  settings: operatorSettings(process.env, []),
  access: {
    server: process.env.KUBE_URL ?? '',
    namespace: null,
    credentials: () => Promise.resolve(credentials),
    forget() {},
  },
  clock: systemClock,
  random: systemRandom,
  log: jsonLogger({
    clock: systemClock,
    level: { current: 'info' },
    write: (line) => process.stderr.write(`${line}\n`),
  }),
  onLost: () => process.exit(1),
})
