/** A broker's metrics at one moment, by name and labels as they are exposed. */
export type MetricValues = ReadonlyMap<string, number>

/** Reads Prometheus' text format. */
export function parseMetrics(text: string): MetricValues {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    values.set(line.slice(0, space), Number(line.slice(space + 1)))
  }
  return values
}

/** Asks a broker for its metrics. `admin` is http://host:port. */
export async function readMetrics(admin: string): Promise<MetricValues> {
  const response = await fetch(`${admin}/metrics`)
  if (!response.ok) throw new Error(`${admin}/metrics answers ${response.status}`)
  return parseMetrics(await response.text())
}

/** How much `name` rose between two readings. Throws when the broker has no such metric. */
export function risen(before: MetricValues, after: MetricValues, name: string): number {
  const value = after.get(name)
  if (value === undefined) throw new Error(`the broker has no metric ${name}`)
  return value - (before.get(name) ?? 0)
}
