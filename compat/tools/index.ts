import { Cluster } from '../../e2e/lib/cluster.ts'
import { fetchKafkaTools } from '../../e2e/lib/kafka-tools.ts'
import type { Outcome } from '../lib/outcome.ts'
import type { ToolResult } from '../lib/report.ts'
import { disturbedTools, disturbWhile } from './disturbed.ts'
import { groupTools } from './groups.ts'
import { movingTools, moveWhile } from './moving.ts'
import { recordTools } from './records.ts'
import { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'
import { topicTools } from './topics.ts'
import { unservedTools } from './unserved.ts'

/** In the order in which they follow each other on one cluster. */
const QUIET_TOOLS = [...topicTools, ...recordTools, ...groupTools, ...unservedTools]

/** How many trials there are. */
export const TOOL_COUNT = QUIET_TOOLS.length + movingTools.length + disturbedTools.length

type Say = (words: string) => void

const CONFIG = { STREAMCLUSTER_CONFIG: '{"group.initial.rebalance.delay.ms":"300"}' }

async function outcomeOf({ run, known }: ToolTrial, bench: ToolBench): Promise<Outcome> {
  try {
    await run(bench)
    return { result: 'passed' }
  } catch (error) {
    const why = (error as Error).message
    return known?.pattern.test(why)
      ? { result: 'fails', why: known.why }
      : { result: 'failed', why }
  }
}

async function runTool(trial: ToolTrial, bench: ToolBench, say: Say): Promise<ToolResult> {
  const { tool, title } = trial
  const startMs = performance.now()
  const outcome = await outcomeOf(trial, bench)
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  const why = outcome.result === 'failed' ? `: ${outcome.why}` : ''
  say(`tools · ${tool}, ${title}: ${outcome.result} (${seconds} s)${why}`)
  return { tool, title, outcome }
}

async function runInTurn(
  trials: readonly ToolTrial[],
  bench: ToolBench,
  say: Say,
): Promise<ToolResult[]> {
  const results: ToolResult[] = []
  for (const trial of trials) results.push(await runTool(trial, bench, say))
  return results
}

async function runQuietTools(say: Say): Promise<ToolResult[]> {
  const cluster = await Cluster.start(2, { env: CONFIG })
  try {
    return await runInTurn(QUIET_TOOLS, new ToolBench(cluster), say)
  } finally {
    await cluster.close()
  }
}

/** `disturb` runs what it is given beside what it does. Without it nothing has shown what it says. */
async function runBeside(
  trials: readonly ToolTrial[],
  say: Say,
  disturb: (cluster: Cluster, start: () => Promise<unknown>) => Promise<void>,
  run: (bench: ToolBench) => Promise<ToolResult[]>,
): Promise<ToolResult[]> {
  const cluster = await Cluster.start(3, { env: CONFIG })
  let results: ToolResult[] = []
  try {
    const bench = new ToolBench(cluster)
    await disturb(cluster, async () => {
      results = await run(bench)
    })
  } catch (error) {
    const why = `the disturbance failed: ${(error as Error).message}`
    say(`tools · ${why}`)
    const outcome = { result: 'failed', why } as const
    return trials.map(({ tool, title }) => ({ tool, title, outcome }))
  } finally {
    await cluster.close()
  }
  return results
}

/** Tries Kafka's own tools: each by itself, then in motion, then those that run for long at once. */
export async function runTools(say: Say): Promise<ToolResult[]> {
  await fetchKafkaTools()
  return [
    ...(await runQuietTools(say)),
    ...(await runBeside(movingTools, say, moveWhile, (bench) =>
      runInTurn(movingTools, bench, say),
    )),
    ...(await runBeside(disturbedTools, say, disturbWhile, (bench) =>
      Promise.all(disturbedTools.map((trial) => runTool(trial, bench, say))),
    )),
  ]
}
