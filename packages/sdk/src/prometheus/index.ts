/**
 * A client's metrics for Prometheus, through `prom-client`, which the program installs.
 *
 * Label values are bounded: calls and codes are of tables, and of endpoints the first 64 are named.
 */
import { Counter, Gauge, Histogram, type Registry, register as usual } from "prom-client";
import type { ClientMetrics } from "../hooks/metrics.js";

const ENDPOINTS_MAX = 64;
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const STATES = { closed: 0, "half-open": 1, open: 2 } as const;

/**
 * @param options.register where they are registered; default: prom-client's own
 * @example createClient({ endpoints, metrics: prometheusMetrics() })
 */
export function prometheusMetrics(options: { readonly register?: Registry } = {}): ClientMetrics {
  const registers = [options.register ?? usual];
  const calls = new Histogram({
    name: "authledger_sdk_call_seconds",
    help: "Calls with all their attempts, by call and code.",
    labelNames: ["call", "code"],
    buckets: SECONDS,
    registers,
  });
  const attempts = new Counter({
    name: "authledger_sdk_attempts_total",
    help: "Attempts, by call, code and endpoint; hedge: a second node was asked.",
    labelNames: ["call", "code", "endpoint", "hedge"],
    registers,
  });
  const circuits = new Gauge({
    name: "authledger_sdk_circuit_state",
    help: "Circuit of an endpoint: 0 closed, 1 half open, 2 open.",
    labelNames: ["endpoint"],
    registers,
  });
  const refused = new Counter({
    name: "authledger_sdk_retries_refused_total",
    help: "Calls that were not tried again since too many were.",
    labelNames: ["call"],
    registers,
  });
  const known = new Set<string>();
  const named = (endpoint: string): string => {
    if (known.has(endpoint)) return endpoint;
    if (known.size >= ENDPOINTS_MAX) return "other";
    known.add(endpoint);
    return endpoint;
  };
  return {
    callEnded: ({ name, code, ms }) => calls.observe({ call: name, code }, ms / 1_000),
    attemptEnded: ({ name, endpoint, code, isHedge }) =>
      attempts.inc({ call: name, code, endpoint: named(endpoint), hedge: String(isHedge) }),
    circuitChanged: ({ endpoint, state }) =>
      circuits.set({ endpoint: named(endpoint) }, STATES[state]),
    retryRefused: ({ name }) => refused.inc({ call: name }),
  };
}
