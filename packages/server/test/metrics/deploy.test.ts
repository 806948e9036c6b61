/** Dashboards and alerts ask for nothing that no node exports. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { describe, expect, test } from "vitest";
import { describeMetrics } from "../../src/metrics/metric-catalog.js";

const DEPLOY = join(import.meta.dirname, "../../../../deploy");

interface Query {
  readonly where: string;
  readonly expr: string;
}

/** Of each series: its metric's labels, and those that the scraper adds. */
const LABELS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  describeMetrics().flatMap(({ name, type, labels }) => {
    const own = new Set([...labels, "instance", "job"]);
    if (type !== "histogram") return [[name, own] as const];
    return ["bucket", "sum", "count"].map(
      (part) => [`${name}_${part}`, part === "bucket" ? new Set([...own, "le"]) : own] as const,
    );
  }),
);

function dashboards(): Query[] {
  const folder = join(DEPLOY, "grafana");
  return readdirSync(folder).flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(join(folder, file), "utf8")) as {
      panels: { title: string; targets?: { expr: string }[] }[];
    };
    return panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ where: `${file}: ${title}`, expr })),
    );
  });
}

function alerts(): Query[] {
  const text = readFileSync(join(DEPLOY, "prometheus", "alerts.yaml"), "utf8");
  const names = [...text.matchAll(/- alert: (\w+)\n\s+expr: ("|')(.*)\2\n/g)];
  return names.map(([, where, , expr]) => ({ where: where!, expr: expr! }));
}

/** What is wrong with a query, in words. */
function problems({ where, expr }: Query): string[] {
  // A variable of Grafana stands inside of a string.
  const found: string[] = [];
  let labels: ReadonlySet<string> | undefined;
  const tree = parser.parse(expr);
  tree.iterate({
    enter: ({ type, from, to }) => {
      const text = expr.slice(from, to);
      if (type.isError) found.push(`${where}: not PromQL at ${from}: ${expr}`);
      if (type.name === "VectorSelector") {
        const name = /^[a-zA-Z_:][\w:]*/.exec(text)?.[0] ?? "";
        labels = LABELS.get(name);
        if (labels === undefined) found.push(`${where}: no node exports ${name || text}`);
      }
      if (type.name !== "UnquotedLabelMatcher") return;
      const label = /^\w+/.exec(text)![0];
      if (labels !== undefined && !labels.has(label)) found.push(`${where}: no label ${label}`);
    },
  });
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list]) =>
    list!.split(/\s*,\s*/),
  );
  const known = new Set(
    [...LABELS].flatMap(([name, own]) => (expr.includes(name) ? [...own] : [])),
  );
  for (const label of grouped) if (!known.has(label)) found.push(`${where}: by ${label}`);
  return found;
}

describe("what is deployed beside a node", () => {
  test("dashboards and alerts parse, and each metric and label in them is exported", () => {
    const queries = [...dashboards(), ...alerts()];
    expect(queries.length).toBeGreaterThan(50);
    expect(queries.flatMap(problems)).toEqual([]);
  });

  test("a query that is wrong is found", () => {
    const wrong = [
      "rate(authledger_nothing[5m])",
      "sum(rate(authledger_rpc_total[5m])",
      "up ++",
      'authledger_rpc_total{tenant="x"}',
      "sum by (tenant) (authledger_rpc_total)",
    ];
    for (const expr of wrong) expect(problems({ where: "test", expr }), expr).not.toEqual([]);
  });

  test("each alert has a severity, says what is wrong and what to do, and waits as long as it says", () => {
    const text = readFileSync(join(DEPLOY, "prometheus", "alerts.yaml"), "utf8");
    const rules = text.split("      - alert: ").slice(1);
    expect(rules).toHaveLength(alerts().length);
    for (const rule of rules) {
      expect(rule).toMatch(/\n {8}for: \d+m\n {8}labels: \{ severity: (page|ticket) \}\n/);
      expect(rule).toMatch(/summary: ["'].+["']\n {10}action: ["'].+["']/);
    }
  });
});
