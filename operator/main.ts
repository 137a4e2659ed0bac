import { systemClock } from '../base/clock.ts'
import { jsonLogger, type LogLevelSetting } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { kubeAccess } from './kube/kube-config.ts'
import { Operator } from './operator.ts'
import { operatorSettings } from './settings.ts'

/**
 * One operator process. Logs JSON lines to stderr. SIGTERM and SIGINT end it in order. Exit codes:
 * 0 ended in order; 1 it cannot start, a fault, or the Lease is lost (start it again).
 *
 * What it needs, in each namespace that it watches:
 *   streamclusters.streamcluster.io              get list watch patch   (patch: its finalizer)
 *   streamclusters.streamcluster.io/status       patch
 *   deployments.apps, services, configmaps, serviceaccounts, poddisruptionbudgets.policy,
 *   horizontalpodautoscalers.autoscaling, networkpolicies.networking.k8s.io, and where it is
 *   known podmonitors.monitoring.coreos.com      get list watch create patch delete
 *   pods                                         get list watch patch
 *   secrets                                      get
 *   events.events.k8s.io                         create patch
 * In its own namespace: leases.coordination.k8s.io create, and of its own one get update.
 * With the metrics API: subjectaccessreviews.authorization.k8s.io create, and in kube-system
 * configmaps get of extension-apiserver-authentication.
 */
async function main(): Promise<void> {
  const write = (line: string): void => void process.stderr.write(`${line}\n`)
  const level: LogLevelSetting = { current: 'info' }
  const log = jsonLogger({ clock: systemClock, level, write })
  // What a new process reads is the truth; one with a broken invariant is not worth keeping.
  const die = (error: unknown): void => {
    const stack = (error as Error | null)?.stack
    log.error('the operator ends: a fault that nobody handles', { error, stack })
    process.exit(1)
  }
  process.on('uncaughtException', die)
  process.on('unhandledRejection', die)
  try {
    const settings = operatorSettings(process.env, process.argv.slice(2))
    level.current = settings.logLevel
    const { kubeConfigPath } = settings
    const access = await kubeAccess({
      clock: systemClock,
      environment: process.env,
      ...(kubeConfigPath === null ? {} : { kubeConfigPath }),
    })
    const { namespaces, brokerImage } = settings
    log.info('the operator starts', { server: access.server, namespaces, brokerImage })
    const operator = await Operator.start({
      ...{ settings, access, log },
      clock: systemClock,
      random: systemRandom,
      onLost: () => process.exit(1),
    })
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        log.info('the operator ends', { signal })
        void operator.stop().then(() => process.exit(0))
      })
    }
  } catch (error) {
    log.error('the operator cannot start', { error })
    process.exit(1)
  }
}

void main()
