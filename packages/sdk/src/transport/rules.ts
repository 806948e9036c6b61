/** How a client goes about its calls, checked: what was asked for, and what is usual. */
import { LedgerError } from "@authledger/types";
import { attemptsOf, type ClientOptions } from "../options.js";
import type { EndpointSource } from "../sources/endpoint-source.js";
import type { BreakerRules } from "./breaker.js";
import type { HedgeRules } from "./hedging.js";

const BREAKER = { failures: 5, openMs: 500, openMsMax: 10_000 } as const;
const HEDGE_SHARE = 0.05;
const DISCOVERY_MS = 30_000;

/** @throws LedgerError INVALID_ARGUMENT */
export function attemptsMaxOf(options: ClientOptions): number {
  const { endpoints } = options;
  return Math.max(attemptsOf(options), Array.isArray(endpoints) ? endpoints.length : 1);
}

/** Undefined: circuits never open. @throws LedgerError INVALID_ARGUMENT */
export function breakerOf({ breaker = {} }: ClientOptions): BreakerRules | undefined {
  if (breaker === false) return undefined;
  const { failures = BREAKER.failures, openMs = BREAKER.openMs } = breaker;
  requireWhole(failures, 1_000, "breaker.failures");
  requireWhole(openMs, 600_000, "breaker.openMs");
  return { failures, openMs, openMsMax: Math.max(openMs, BREAKER.openMsMax) };
}

/** Undefined: nothing is hedged. @throws LedgerError INVALID_ARGUMENT */
export function hedgeOf({ hedge = false }: ClientOptions): HedgeRules | undefined {
  if (hedge === false) return undefined;
  const { afterMs, shareMax = HEDGE_SHARE } = hedge === true ? {} : hedge;
  if (afterMs !== undefined) requireWhole(afterMs, 60_000, "hedge.afterMs");
  if (!(shareMax > 0 && shareMax <= 1)) throw invalid("hedge.shareMax", "more than 0, up to 1");
  return { afterMs, shareMax };
}

/** @throws LedgerError INVALID_ARGUMENT */
export function discoveryOf({ discover = true }: ClientOptions): {
  readonly isOn: boolean;
  readonly refreshMs: number;
} {
  if (typeof discover === "boolean") return { isOn: discover, refreshMs: DISCOVERY_MS };
  const { refreshMs = DISCOVERY_MS } = discover ?? {};
  requireWhole(refreshMs, 86_400_000, "discover.refreshMs");
  return { isOn: true, refreshMs };
}

/** Undefined where the nodes were given outright. */
export function sourceOf({ endpoints }: ClientOptions): EndpointSource | undefined {
  return typeof endpoints === "object" && "addresses" in endpoints ? endpoints : undefined;
}

/** @throws LedgerError INVALID_ARGUMENT */
export function isBalanced({ replicas = "one" }: ClientOptions): boolean {
  if (replicas === "one" || replicas === "fastest") return replicas === "fastest";
  throw invalid("replicas", '"one" or "fastest"');
}

function requireWhole(value: number, max: number, field: string): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw invalid(field, `a whole number from 1 to ${max}`);
}

function invalid(field: string, why: string): LedgerError {
  return new LedgerError("INVALID_ARGUMENT", `${field}: ${why}`, { details: { field } });
}
