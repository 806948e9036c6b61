/** What a node exports, without a node: for docs/metrics.md, and for the checks of dashboards and alerts. */
import { pino } from "pino";
import { AuditLog } from "../audit/audit-log.js";
import { CallLog } from "../call-log/call-log.js";
import { logRulesOf } from "../call-log/log-rules.js";
import { RuntimeConfig } from "../config/runtime-config.js";
import { LoopDelay } from "../loop-delay.js";
import { RpcMeters } from "../metrics.js";
import { Protection } from "../protection/protection.js";
import { Watchdog } from "../watchdog/watchdog.js";
import { ErrorMeter } from "./error-meter.js";
import { LABEL_BUDGETS, type LabelBudget } from "./label-budgets.js";
import { nodeRegistry } from "./node-metrics.js";

/** A metric as it is registered. */
export interface DescribedMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labels: readonly string[];
}

/** All metrics, by name. */
export function describeMetrics(): readonly DescribedMetric[] {
  const logger = pino({ level: "silent" });
  const delay = new LoopDelay(() => undefined);
  const nothing = (): never => {
    throw new Error("a description asks for no figures");
  };
  const deps = { logger, random: () => 1, nowMs: () => 0 };
  const auditLog = new AuditLog({
    ...{ system: { write: nothing }, file: undefined, logger },
    ...{ retentionMs: () => 0, nowMs: () => 0, suffix: () => "" },
  });
  const { values } = new RuntimeConfig();
  const registry = nodeRegistry({
    ...{ meters: new RpcMeters(() => undefined), errors: new ErrorMeter(), delay },
    ...{
      stats: nothing,
      cluster: () => undefined,
      links: () => [],
      certificateExpiresAtMs: () => 0,
    },
    watchdog: new Watchdog({ nowMs: () => 0, onStuck: nothing, onGoesOn: nothing }),
    protection: new Protection(() => values, { streamsPerConnection: 1, connectionsMax: 1 }),
    log: {
      callLog: new CallLog(deps, logRulesOf(values)),
      ...{ auditLog, file: undefined, linesLost: () => 0 },
    },
  });
  delay.stop();
  void auditLog.close();
  return registry
    .getMetricsAsArray()
    .map((metric) => {
      const { labelNames = [] } = metric as { readonly labelNames?: readonly string[] };
      const type = String(metric.type);
      return { name: metric.name, help: metric.help, type, labels: [...labelNames] };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What a label may be. */
export function budgetOf(label: string): LabelBudget {
  return LABEL_BUDGETS[label] ?? 0;
}
