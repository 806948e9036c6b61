/** Metrics of the log of calls and of the audit log. */
import { Counter, type Registry } from "prom-client";
import type { AuditFile } from "./audit/audit-file.js";
import type { AuditLog } from "./audit/audit-log.js";
import type { CallLog } from "./call-log/call-log.js";

export interface LogMetricsParts {
  readonly callLog: CallLog;
  readonly auditLog: AuditLog;
  readonly file: AuditFile | undefined;
  readonly linesLost: () => number;
}

type Counts = () => readonly (readonly [value: string, count: number])[];

export function addLogMetrics(registry: Registry, parts: LogMetricsParts): void {
  const { callLog, auditLog, file, linesLost } = parts;
  counter(registry, ["log_calls_total", "Lines of calls in the log."], () => callLog.lines);
  counters(
    registry,
    ["log_dropped_total", "Lines of the log that were left out, by why.", "why"],
    () => [
      ["rate", callLog.dropped],
      ["reader", linesLost()],
    ],
  );
  counters(
    registry,
    ["audit_records_total", "Records of the audit log, by what became of them.", "outcome"],
    () => [
      ["written", auditLog.written],
      ["unwritten", auditLog.unwritten],
      ["lost", auditLog.lost + (file?.lost ?? 0)],
    ],
  );
  counter(
    registry,
    ["audit_refused_total", "Calls whose caller was not let in."],
    () => auditLog.refused,
  );
}

function counter(
  registry: Registry,
  [name, help]: readonly [string, string],
  count: () => number,
): void {
  new Counter({
    name: `authledger_${name}`,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(count());
    },
  });
}

function counters(
  registry: Registry,
  [name, help, label]: readonly [string, string, string],
  counts: Counts,
): void {
  new Counter({
    name: `authledger_${name}`,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, count] of counts()) this.inc({ [label]: value }, count);
    },
  });
}
