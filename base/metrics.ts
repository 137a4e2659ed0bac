import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/**
 * Metrics in Prometheus' conventions. Hot paths keep plain numbers and are read at scrape time
 * (`gauge` and `counter` with a function); histograms are for what happens per request or object.
 */
export class Metrics {
  private readonly registry = new Registry()

  /** A value that goes up and down, asked for at each scrape. */
  gauge(name: string, help: string, value: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect: () => gauge.set(value()),
    })
  }

  /** A count that only rises, kept by somebody else and asked for at each scrape. */
  counter(name: string, help: string, value: () => number): void {
    const counter: Counter = new Counter({
      name,
      help,
      registers: [this.registry],
      collect: () => {
        counter.reset()
        counter.inc(value())
      },
    })
  }

  /** A count by labels, for rare events. */
  labelledCounter<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
  ): (labels: Record<L, string>, count?: number) => void {
    const counter = new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
    })
    return (labels, count = 1) => counter.inc(labels, count)
  }

  /** Durations in seconds, by one label; get the observer of a label value once and keep it. */
  histogram(
    name: string,
    help: string,
    labelName: string,
  ): (labelValue: string) => (seconds: number) => void {
    const histogram = new Histogram({
      name,
      help,
      labelNames: [labelName],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [this.registry],
    })
    return (labelValue) => {
      const child = histogram.labels(labelValue)
      return (seconds) => child.observe(seconds)
    }
  }

  /** All of it in Prometheus' text format. */
  exposition(): Promise<string> {
    return this.registry.metrics()
  }

  get contentType(): string {
    return this.registry.contentType
  }
}
