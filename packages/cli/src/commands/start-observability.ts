/** Flags of `authledger start` about what a node tells of itself. */
import type { NodeConfigInput } from "@authledger/server";
import type { Command } from "commander";
import { type Run, textFlag } from "../run/command.js";

export function addObservabilityFlags(start: Command): void {
  start
    .option("--log-level <level>", "debug, info, warn, error or silent (default info)")
    .option("--log-slow <duration>", "calls that took so long are in the log (default 250ms)")
    .option("--log-read-rate <share>", "of reads that are in the log, 0 to 1 (default 0.01)")
    .option("--log-write-rate <share>", "of writes (default 0.1)")
    .option("--log-vip-rate <share>", "of calls of --log-vip (default 0.5)")
    .option(
      "--log-vip <names>",
      "principals and organizations, with commas between: their calls are looked at closely",
    )
    .option("--otlp-endpoint <url>", "send traces there, OTLP over HTTP: http://HOST:4318")
    .option(
      "--trace-rate <share>",
      "of calls without a caller's trace that are traced (default 0.01)",
    )
    .option("--audit-log <file>", "the node's own audit log as JSON lines (default none)")
    .option("--audit-log-bytes <size>", "size at which it is put aside (default 100MiB)")
    .option("--audit-log-files <n>", "files put aside that are kept (default 10)")
    .option(
      "--audit-retention <duration>",
      "how long audit records stay in the state; 0 = for ever (default 365d)",
    );
}

export function observabilityOf(run: Pick<Run, "flags">): NodeConfigInput {
  return {
    logLevel: textFlag(run, "logLevel"),
    logSlow: textFlag(run, "logSlow"),
    logReadRate: textFlag(run, "logReadRate"),
    logWriteRate: textFlag(run, "logWriteRate"),
    logVipRate: textFlag(run, "logVipRate"),
    logVip: textFlag(run, "logVip"),
    otlpEndpoint: textFlag(run, "otlpEndpoint"),
    traceRate: textFlag(run, "traceRate"),
    auditLog: textFlag(run, "auditLog"),
    auditLogBytes: textFlag(run, "auditLogBytes"),
    auditLogFiles: numberFlag(run, "auditLogFiles"),
    auditRetention: textFlag(run, "auditRetention"),
  };
}

function numberFlag(run: Pick<Run, "flags">, name: string): number | undefined {
  const text = textFlag(run, name);
  return text === undefined ? undefined : Number(text);
}
