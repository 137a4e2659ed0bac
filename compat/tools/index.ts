import { Cluster } from '../../e2e/lib/cluster.ts'
import { fetchKafkaTools } from '../../e2e/lib/kafka-tools.ts'
import type { ToolResult } from '../lib/report.ts'
import { groupTools } from './groups.ts'
import { recordTools } from './records.ts'
import { ToolBench } from './tool-run.ts'
import type { ToolTrial } from './tool-trial.ts'
import { topicTools } from './topics.ts'

/** Every tool that is tried, in the order in which they follow each other on one cluster. */
export const TOOLS: readonly ToolTrial[] = [...topicTools, ...recordTools, ...groupTools]

/** Tries each of Kafka's own tools on one cluster. */
export async function runTools(say: (words: string) => void): Promise<ToolResult[]> {
  await fetchKafkaTools()
  const config = { STREAMCLUSTER_CONFIG: '{"group.initial.rebalance.delay.ms":"300"}' }
  const cluster = await Cluster.start(2, { env: config })
  const results: ToolResult[] = []
  try {
    const bench = new ToolBench(cluster)
    for (const { tool, title, run } of TOOLS) {
      const startMs = performance.now()
      const outcome: ToolResult['outcome'] = await run(bench).then(
        () => ({ result: 'passed' as const }),
        (error: Error) => ({ result: 'failed' as const, why: error.message }),
      )
      const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
      const why = outcome.result === 'failed' ? `: ${outcome.why}` : ''
      say(`tools · ${tool}, ${title}: ${outcome.result} (${seconds} s)${why}`)
      results.push({ tool, title, outcome })
    }
  } finally {
    await cluster.close()
  }
  return results
}
