/** What a node tells of itself, put together: the log of calls, and what its metrics say of it. */
import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import { CallLog } from "./call-log/call-log.js";
import { logRulesOf } from "./call-log/log-rules.js";
import type { RuntimeConfig } from "./config/runtime-config.js";
import type { CallObserver } from "./gate/gate.js";

const LOG_FIELDS = ["logSlow", "logReadRate", "logWriteRate", "logVipRate", "logVip"] as const;

export interface ObservabilityDeps {
  readonly logger: Logger;
  /** Lines of the log that were left out since its reader was too slow, so far. */
  readonly linesLost?: () => number;
}

export class Observability {
  readonly callLog: CallLog;
  readonly #linesLost: () => number;

  constructor(runtime: RuntimeConfig, { logger, linesLost }: ObservabilityDeps) {
    const deps = { logger, random: Math.random, nowMs: () => performance.now() };
    this.callLog = new CallLog(deps, logRulesOf(runtime.values));
    for (const name of LOG_FIELDS) {
      runtime.subscribe(name, () => {
        this.callLog.rules = logRulesOf(runtime.values);
      });
    }
    this.#linesLost = linesLost ?? (() => 0);
  }

  get observers(): readonly CallObserver[] {
    return [this.callLog];
  }

  register(registry: Registry): void {
    const { callLog } = this;
    const linesLost = this.#linesLost;
    new Counter({
      name: "authledger_log_calls_total",
      help: "Lines of calls in the log.",
      registers: [registry],
      collect() {
        this.reset();
        this.inc(callLog.lines);
      },
    });
    new Counter({
      name: "authledger_log_dropped_total",
      help: "Lines that were left out: of calls, where there were too many, and of a slow reader.",
      labelNames: ["why"],
      registers: [registry],
      collect() {
        this.reset();
        this.inc({ why: "rate" }, callLog.dropped);
        this.inc({ why: "reader" }, linesLost());
      },
    });
  }
}
