/** Metrics: their labels keep to budgets, and histograms are histograms. */
import { pino } from "pino";
import { Counter, Histogram } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { parseNodeConfig, startNode } from "../../src/index.js";
import { BudgetedRegistry } from "../../src/metrics/budgeted-registry.js";
import { LABEL_BUDGETS } from "../../src/metrics/label-budgets.js";
import { describeMetrics } from "../../src/metrics/metric-catalog.js";
import { call, connect, errorOf } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";
import { createVault } from "../support/vault.js";

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

function seriesOf(text: string): Series[] {
  return text.split("\n").flatMap((line) => {
    const match = /^([a-zA-Z_:]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (line.startsWith("#") || match === null) return [];
    const labels = [...(match[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    const found = Object.fromEntries(labels.map(([, name, value]) => [name!, value!]));
    return [{ name: match[1]!, labels: found, value: Number(match[3]) }];
  });
}

describe("labels", () => {
  test("INV-TRACE-4: a label without a budget cannot be registered", () => {
    const registers = [new BudgetedRegistry({ known: 1 })];
    const make = (label: string) =>
      new Counter({ name: `authledger_${label}_total`, help: "x", labelNames: [label], registers });
    expect(() => make("unknown")).toThrow(/budget/);
    expect(() => make("known")).not.toThrow();
  });

  test("INV-TRACE-4: values beyond a budget are one series, `other`, which is their sum; what has a place keeps it", async () => {
    const registry = new BudgetedRegistry({ user: 3, kind: ["a", "b"] });
    const counter = new Counter({
      ...{ name: "authledger_x_total", help: "x", labelNames: ["user", "kind"] },
      registers: [registry],
    });
    for (let i = 0; i < 10; i++) counter.inc({ user: `u${i}`, kind: "a" }, 1);
    counter.inc({ user: "u0", kind: "z" }, 5);
    const shown = (): Promise<string[]> =>
      registry
        .metrics()
        .then((text) =>
          seriesOf(text).map(({ labels, value }) => `${labels["user"]} ${labels["kind"]} ${value}`),
        );
    const expected = ["u0 a 1", "u1 a 1", "u2 a 1", "other a 7", "u0 other 5"];
    expect(await shown()).toEqual(expected);
    expect(await shown()).toEqual(expected);
    expect(registry.overflows).toBe(16);
  });

  test("INV-TRACE-4: buckets of a histogram beyond a budget add up", async () => {
    const registry = new BudgetedRegistry({ user: 1, le: 10 });
    const about = { name: "authledger_y", help: "y", labelNames: ["user"], buckets: [1, 2] };
    const histogram = new Histogram({ ...about, registers: [registry] });
    for (const user of ["a", "b", "c"]) histogram.observe({ user }, 1.5);
    const others = seriesOf(await registry.metrics()).filter(
      ({ labels }) => labels["user"] === "other",
    );
    expect(others.map(({ name, value }) => `${name} ${value}`)).toEqual([
      ...["authledger_y_bucket 0", "authledger_y_bucket 2", "authledger_y_bucket 2"],
      ...["authledger_y_sum 3", "authledger_y_count 2"],
    ]);
  });
});

describe("a loaded node", () => {
  test("exports what its catalog says, within all budgets, and its histogram adds up", async () => {
    const config = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB" };
    const node = await startNode(parseNodeConfig({ ...config, data: temporaryDirectory() }), {
      version: "0.0.0-test",
      logger: pino({ level: "silent" }),
      onFatal: (error) => {
        throw error;
      },
    });
    onTestFinished(() => node.close());
    const client = connect(node.grpcAddress);
    const tenant = await createVault(client);
    const request = { ...tenant, transaction: transaction([createTuple()]), prove: false };
    await call(client, ["write", "write"], request);
    for (let i = 0; i < 20; i++) await call(client, ["read", "check"], { ...tenant, tuple: TUPLE });
    for (let i = 0; i < 5; i++) {
      await errorOf(call(client, ["read", "check"], { ...tenant, vault: 9n, tuple: TUPLE }));
    }
    const text = await (await fetch(`http://${node.httpAddress}/metrics`)).text();
    const series = seriesOf(text);
    const find = (name: string, labels: object) =>
      series.filter(
        (one) => one.name === name && Object.entries(labels).every(([k, v]) => one.labels[k] === v),
      );
    withinBudgets(series);
    expect(find("authledger_errors_total", { error: "VAULT_NOT_FOUND" })[0]?.value).toBe(5);
    const check = { method: "ReadService/check" };
    const buckets = find("authledger_rpc_seconds_bucket", check);
    const counts = buckets.map(({ value }) => value);
    expect([...counts].sort((a, b) => a - b)).toEqual(counts);
    expect(buckets.at(-1)).toMatchObject({ labels: { le: "+Inf" }, value: 25 });
    expect(find("authledger_rpc_seconds_count", check)[0]?.value).toBe(25);
    expect(text).toContain("# TYPE authledger_rpc_seconds histogram");
    expect(find("authledger_proposals", {})[0]!.value).toBeGreaterThanOrEqual(3);
    const known = new Set(describeMetrics().map(({ name }) => name));
    const strange = series.filter(
      ({ name }) => !known.has(name.replace(/_(bucket|sum|count)$/, "")) && !known.has(name),
    );
    expect(strange.map(({ name }) => name)).toEqual([]);
    expect(
      [...known].filter((name) => name.startsWith("authledger_")).length,
    ).toBeGreaterThanOrEqual(100);
  });
});

function withinBudgets(series: readonly Series[]): void {
  const values = new Map<string, Set<string>>();
  for (const { labels } of series) {
    for (const [label, value] of Object.entries(labels)) {
      const seen = values.get(label) ?? new Set();
      values.set(label, seen.add(value));
    }
  }
  for (const [label, seen] of values) {
    const budget = LABEL_BUDGETS[label];
    expect(budget, label).toBeDefined();
    const max = typeof budget === "number" ? budget : budget!.length;
    expect(seen.size, label).toBeLessThanOrEqual(max);
    expect(seen.has("other"), label).toBe(false);
  }
}
