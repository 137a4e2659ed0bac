import { Cluster } from '../../e2e/lib/cluster.ts'
import { fetchKafkaTools } from '../../e2e/lib/kafka-tools.ts'
import type { Outcome } from '../lib/outcome.ts'
import type { ToolResult } from '../lib/report.ts'
import { disturbedTools, disturbWhile } from './disturbed.ts'
import { groupTools } from './groups.ts'
import { recordTools } from './records.ts'
import { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'
import { topicTools } from './topics.ts'
import { unservedTools } from './unserved.ts'

/** In the order in which they follow each other on one cluster. */
const QUIET_TOOLS = [...topicTools, ...recordTools, ...groupTools, ...unservedTools]

/** How many trials there are. */
export const TOOL_COUNT = QUIET_TOOLS.length + disturbedTools.length

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

async function runQuietTools(say: Say): Promise<ToolResult[]> {
  const cluster = await Cluster.start(2, { env: CONFIG })
  const results: ToolResult[] = []
  try {
    const bench = new ToolBench(cluster)
    for (const trial of QUIET_TOOLS) results.push(await runTool(trial, bench, say))
  } finally {
    await cluster.close()
  }
  return results
}

async function runDisturbedTools(say: Say): Promise<ToolResult[]> {
  const cluster = await Cluster.start(3, { env: CONFIG })
  let results: ToolResult[] = []
  try {
    const bench = new ToolBench(cluster)
    await disturbWhile(cluster, async () => {
      results = await Promise.all(disturbedTools.map((trial) => runTool(trial, bench, say)))
    })
  } catch (error) {
    // Without the disturbance none of them has shown what it says.
    const why = `the disturbance failed: ${(error as Error).message}`
    say(`tools · ${why}`)
    const outcome = { result: 'failed', why } as const
    return disturbedTools.map(({ tool, title }) => ({ tool, title, outcome }))
  } finally {
    await cluster.close()
  }
  return results
}

/** Tries Kafka's own tools: each by itself, and those that run for long while much happens. */
export async function runTools(say: Say): Promise<ToolResult[]> {
  await fetchKafkaTools()
  return [...(await runQuietTools(say)), ...(await runDisturbedTools(say))]
}
