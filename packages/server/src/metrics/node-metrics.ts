/** All metrics of a node, in one registry with budgets. What a node adds must be here, so that docs/metrics.md has it. */
import type { ClusterStatus, EngineStats } from "@authledger/engine";
import { Counter, collectDefaultMetrics, Gauge, type Registry } from "prom-client";
import { addClusterMetrics } from "../cluster-metrics.js";
import { addLogMetrics, type LogMetricsParts } from "../log-metrics.js";
import type { LoopDelay } from "../loop-delay.js";
import { addRpcMetrics, type RpcMeters } from "../metrics.js";
import type { LinkStats } from "../peer/grpc-peers.js";
import { addPeerMetrics } from "../peer/peer-metrics.js";
import type { Protection } from "../protection/protection.js";
import { addTlsMetrics } from "../tls/tls-metrics.js";
import type { Watchdog } from "../watchdog/watchdog.js";
import { BudgetedRegistry } from "./budgeted-registry.js";
import { addEngineMetrics } from "./engine-metrics.js";
import type { ErrorMeter } from "./error-meter.js";

/** Where the figures are; asked whenever somebody asks for metrics. */
export interface MetricSources {
  readonly meters: RpcMeters;
  readonly errors: ErrorMeter;
  readonly stats: () => EngineStats;
  readonly cluster: () => ClusterStatus | undefined;
  readonly links: () => readonly LinkStats[];
  readonly protection: Protection;
  readonly delay: LoopDelay;
  readonly watchdog: Watchdog;
  readonly log: LogMetricsParts;
  /** When the certificate for clients expires, milliseconds since 1970; 0 without TLS. */
  readonly certificateExpiresAtMs: () => number;
}

export function nodeRegistry(sources: MetricSources): Registry {
  const registry = new BudgetedRegistry();
  collectDefaultMetrics({ register: registry });
  addRpcMetrics(registry, sources.meters);
  sources.errors.register(registry);
  addEngineMetrics(registry, sources.stats);
  addClusterMetrics(registry, sources.cluster);
  addPeerMetrics(registry, sources.links);
  sources.protection.register(registry);
  addUnreadMetric(registry, sources.protection);
  sources.delay.register(registry);
  sources.watchdog.register(registry);
  addLogMetrics(registry, sources.log);
  addTlsMetrics(registry, sources.certificateExpiresAtMs);
  new Counter({
    name: "authledger_metrics_overflow_total",
    help: "Samples whose label went beyond its budget and is shown as `other`.",
    registers: [registry],
    collect() {
      this.reset();
      this.inc(registry.overflows);
    },
  });
  return registry;
}

function addUnreadMetric(registry: Registry, { connections }: Protection): void {
  new Gauge({
    name: "authledger_unread_bytes",
    help: "Bytes of large answers and streams that clients have not taken yet.",
    registers: [registry],
    collect() {
      this.set(connections.unreadBytes);
    },
  });
}
