/** How long calls took, as one histogram: counted in plain arrays by metrics.ts, and put into the text when it is asked for. */
import type { Metric, Registry } from "prom-client";

/** What a histogram is made of: calls that took so long, by bucket; the last is everything longer. */
export interface Durations {
  readonly buckets: Float64Array;
  readonly sumSeconds: number;
}

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  /** Upper bounds in seconds, ascending. */
  readonly bounds: readonly number[];
  readonly label: string;
  readonly entries: () => Iterable<readonly [value: string, durations: Durations]>;
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** The library's histogram counts by itself; this one shows what others have counted. */
export class CallHistogram {
  readonly name: string;
  readonly help: string;
  readonly type = "histogram";
  readonly labelNames: readonly string[];
  readonly aggregator = "sum";
  readonly #options: HistogramOptions;

  constructor(options: HistogramOptions) {
    this.name = options.name;
    this.help = options.help;
    this.labelNames = [options.label];
    this.#options = options;
  }

  addTo(registry: Registry): void {
    registry.registerMetric(this as unknown as Metric<string>);
  }

  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    const values = [...this.#options.entries()].flatMap(([of, durations]) =>
      this.#samples(of, durations),
    );
    return { name, help, type, aggregator, values };
  }

  #samples(of: string, { buckets, sumSeconds }: Durations): Sample[] {
    const { name, bounds, label } = this.#options;
    let count = 0;
    const samples: Sample[] = Array.from(buckets, (calls, bucket) => {
      count += calls;
      const labels = { le: bounds[bucket] ?? "+Inf", [label]: of };
      return { metricName: `${name}_bucket`, labels, value: count };
    });
    samples.push({ metricName: `${name}_sum`, labels: { [label]: of }, value: sumSeconds });
    samples.push({ metricName: `${name}_count`, labels: { [label]: of }, value: count });
    return samples;
  }
}
