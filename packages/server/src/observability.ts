/** What a node tells of itself, put together: the log of calls, the audit log, traces, and what its metrics say of them. */
import { randomBytes } from "node:crypto";
import type { EnginePort } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import type { Logger } from "pino";
import { AuditFile } from "./audit/audit-file.js";
import { AuditLog } from "./audit/audit-log.js";
import { AuditRelay } from "./audit/audit-relay.js";
import { AuditedCalls } from "./audit/audited-calls.js";
import { CallLog } from "./call-log/call-log.js";
import { logRulesOf } from "./call-log/log-rules.js";
import type { RuntimeConfig } from "./config/runtime-config.js";
import type { NodeConfig } from "./config.js";
import type { Forwarding } from "./forwarding.js";
import type { CallObserver, GateStep } from "./gate/gate.js";
import type { LogMetricsParts } from "./log-metrics.js";
import { ErrorMeter } from "./metrics/error-meter.js";
import { SystemVault } from "./system/system-vault.js";
import { type SpanRecorder, Tracing } from "./trace/tracing.js";

const LOG_FIELDS = ["logSlow", "logReadRate", "logWriteRate", "logVipRate", "logVip"] as const;
const SUFFIX_BYTES = 4;

export interface ObservabilityDeps {
  readonly logger: Logger;
  /** Lines of the log that were left out since its reader was too slow, so far. */
  readonly linesLost?: () => number;
  /** Records traces; none are recorded without. */
  readonly recorder?: SpanRecorder | undefined;
}

interface OpenDeps extends ObservabilityDeps {
  /** Reaches the leader. */
  readonly forwarding: Forwarding;
}

interface Parts extends LogMetricsParts {
  readonly audit: AuditedCalls;
  readonly recorder: SpanRecorder | undefined;
  readonly tracing: Tracing | undefined;
}

export class Observability {
  readonly errors: ErrorMeter = new ErrorMeter();
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws LedgerError USAGE when the file of the audit log cannot be had */
  static async open(
    config: NodeConfig,
    runtime: RuntimeConfig,
    engine: EnginePort,
    { logger, linesLost = () => 0, recorder, forwarding }: OpenDeps,
  ): Promise<Observability> {
    const deps = { logger, random: Math.random, nowMs: () => performance.now() };
    const callLog = new CallLog(deps, logRulesOf(runtime.values));
    for (const name of LOG_FIELDS) {
      runtime.subscribe(name, () => {
        callLog.rules = logRulesOf(runtime.values);
      });
    }
    const file = await openFile(config);
    const { nodeId } = await engine.call("get_node_info", {});
    const relay = new AuditRelay(new SystemVault(engine), { forwarding, node: nodeId });
    const auditLog = new AuditLog({
      ...{ system: relay, file, logger, nowMs: Date.now },
      retentionMs: () => runtime.values.auditRetention,
      suffix: () => randomBytes(SUFFIX_BYTES).toString("hex"),
    });
    const audit = new AuditedCalls(auditLog, config.name ?? String(nodeId));
    const share = (): number => runtime.values.traceRate;
    const tracing = recorder && new Tracing(recorder, share);
    const traces = { recorder, tracing };
    return new Observability({ callLog, auditLog, file, audit, linesLost, ...traces });
  }

  get audit(): AuditedCalls {
    return this.#parts.audit;
  }

  get observers(): readonly CallObserver[] {
    const { callLog, audit, tracing } = this.#parts;
    return [this.errors, callLog, audit, ...(tracing === undefined ? [] : [tracing])];
  }

  /** Behind the version of the call, before everything else. */
  get steps(): readonly GateStep[] {
    const { tracing } = this.#parts;
    return tracing === undefined ? [] : [tracing];
  }

  /** What metrics say of all this. */
  get metrics(): LogMetricsParts {
    return this.#parts;
  }

  /** Before the leadership is given away: what was refused so far is told of. */
  stopping(): Promise<void> {
    return this.#parts.auditLog.summarize();
  }

  /** After the last call. */
  async close(): Promise<void> {
    await this.#parts.auditLog.close();
    // A collector that is not there is no reason to fail.
    await this.#parts.recorder?.close().catch(() => undefined);
  }
}

async function openFile(config: NodeConfig): Promise<AuditFile | undefined> {
  const { auditLog: path, auditLogBytes: bytesMax, auditLogFiles: filesMax } = config;
  if (path === undefined) return undefined;
  const file = new AuditFile({ path, bytesMax, filesMax });
  try {
    await file.open();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the audit log ${path} cannot be written: ${why}; choose another --audit-log`;
    throw new LedgerError("USAGE", message, { details: { field: "auditLog" }, cause });
  }
  return file;
}
