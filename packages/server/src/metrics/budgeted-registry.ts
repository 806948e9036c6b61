/**
 * A registry whose series are bounded: each label has a budget, and what goes beyond it is one more series, `other`.
 *
 *   INV-TRACE-4  A metric with a label that has no budget cannot be registered, and a label never has more values than its
 *                budget and `other`.
 */
import { assert } from "@authledger/types";
import { type Metric, Registry } from "prom-client";
import { LABEL_BUDGETS, type LabelBudget } from "./label-budgets.js";

/** Where values beyond a budget are counted together. */
const OTHER = "other";

type Labels = Record<string, string | number>;

interface Sample {
  value: number;
  metricName?: string;
  labels: Labels;
  /** Of histograms: labels that all buckets share. */
  sharedLabels?: Labels;
}

interface Answer {
  values: Sample[];
}

/** What the library's metrics have beside what their types say. */
interface AnyMetric {
  readonly name: string;
  readonly labelNames?: readonly string[];
  get(): Promise<Answer>;
  getForPromString?(): Promise<Answer>;
}

export class BudgetedRegistry extends Registry {
  readonly #budgets: Readonly<Record<string, LabelBudget>>;
  /** Values that labels have had, of those whose number is bounded. */
  readonly #seen = new Map<string, Set<string>>();
  /** Samples that went to `other`. */
  overflows = 0;

  constructor(budgets: Readonly<Record<string, LabelBudget>> = LABEL_BUDGETS) {
    super();
    this.#budgets = budgets;
  }

  override registerMetric<T extends string>(metric: Metric<T>): void {
    const any = metric as unknown as AnyMetric;
    for (const label of any.labelNames ?? []) {
      assert(this.#budgets[label] !== undefined, "a label has a budget", {
        metric: any.name,
        label,
      });
    }
    const get = any.get.bind(any);
    any.get = async () => this.#within(await get());
    if (any.getForPromString !== undefined) {
      const getText = any.getForPromString.bind(any);
      any.getForPromString = async () => this.#within(await getText());
    }
    super.registerMetric(metric);
  }

  #within<A extends Answer>(answer: A): A {
    let isOver = false;
    const values = answer.values.map((sample) => {
      const labels = this.#bounded(sample.labels);
      const sharedLabels = sample.sharedLabels && this.#bounded(sample.sharedLabels);
      if (labels === sample.labels && sharedLabels === sample.sharedLabels) return sample;
      isOver = true;
      this.overflows++;
      return { ...sample, labels, ...(sharedLabels && { sharedLabels }) };
    });
    return { ...answer, values: isOver ? merged(values) : values };
  }

  #bounded(labels: Labels): Labels {
    let bounded = labels;
    for (const [name, value] of Object.entries(labels)) {
      if (this.#fits(name, String(value))) continue;
      if (bounded === labels) bounded = { ...labels };
      bounded[name] = OTHER;
    }
    return bounded;
  }

  #fits(label: string, value: string): boolean {
    const budget = this.#budgets[label] ?? 0;
    if (typeof budget !== "number") return budget.includes(value);
    let seen = this.#seen.get(label);
    if (seen === undefined) {
      seen = new Set();
      this.#seen.set(label, seen);
    }
    if (!seen.has(value) && seen.size < budget) seen.add(value);
    return seen.has(value);
  }
}

/** Samples of the same labels are one: their sum. */
function merged(values: readonly Sample[]): Sample[] {
  const found = new Map<string, Sample>();
  for (const sample of values) {
    const { metricName, labels, sharedLabels } = sample;
    const key = JSON.stringify([metricName, labels, sharedLabels]);
    const known = found.get(key);
    found.set(key, known === undefined ? sample : { ...known, value: known.value + sample.value });
  }
  return [...found.values()];
}
