/**
 * Which calls get their line in the log (L-184). Decided before anything is made for the line: most calls of a busy node
 * get none.
 *
 *   INV-TRACE-2  Every call that failed or was slow gets its line, unless lines come faster than the log takes them;
 *                what is left out is counted.
 */
import type { RuntimeValues } from "../config/runtime-fields.js";
import type { CallClass } from "../gate/call-class.js";

export interface LogRules {
  /** A call that took so long, in milliseconds, gets its line. */
  readonly slowMs: number;
  /** Shares of the calls that went well, 0 to 1. */
  readonly readRate: number;
  readonly writeRate: number;
  readonly vipRate: number;
  /** Names of principals, and slugs of organizations in decimal, whose calls are logged by `vipRate`. */
  readonly vips: ReadonlySet<string>;
}

/** The rules that the configuration gives. */
export function logRulesOf(values: RuntimeValues): LogRules {
  return {
    slowMs: values.logSlow,
    readRate: values.logReadRate,
    writeRate: values.logWriteRate,
    vipRate: values.logVipRate,
    vips: new Set(values.logVip.split(",").flatMap((name) => name.trim() || [])),
  };
}

/** Why a call is in the log. */
export type LogReason = "error" | "slow" | "administration" | "vip" | "sample";

interface LoggedCall {
  readonly status: number;
  readonly principal: { readonly name: string };
  readonly target: { readonly organization?: bigint };
}

/** @param random of [0, 1); undefined: no line */
export function reasonToLog(
  call: LoggedCall,
  kind: CallClass,
  durationMs: number,
  rules: LogRules,
  random: () => number,
): LogReason | undefined {
  if (call.status !== 0) return "error";
  if (durationMs >= rules.slowMs) return "slow";
  if (kind === "administration") return "administration";
  if (rules.vips.size > 0 && isVip(call, rules.vips)) {
    return random() < rules.vipRate ? "vip" : undefined;
  }
  return random() < (kind === "write" ? rules.writeRate : rules.readRate) ? "sample" : undefined;
}

function isVip({ principal, target }: LoggedCall, vips: ReadonlySet<string>): boolean {
  if (vips.has(principal.name)) return true;
  const { organization } = target;
  return organization !== undefined && vips.has(String(organization));
}
