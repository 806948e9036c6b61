/**
 * How a node stops, phase by phase: it says that it is not ready; it waits until load balancers have heard that
 * (`preStopDelay`), while it still serves; it gives its leadership away; it lets calls end (`shutdownGrace`); it keeps what
 * is not kept yet; it closes. The log has a line for each phase with how long it took.
 *
 *   INV-STOP-1  Each phase begins when the one before has ended, and every phase runs, whatever failed before it.
 */
import { LedgerError } from "@authledger/types";
import type { Logger } from "pino";

export interface ShutdownPhase {
  readonly name: "readiness" | "delay" | "hand over" | "drain" | "tasks" | "close";
  readonly run: () => unknown;
}

/** @throws what the first phase that failed has thrown, after the last one */
export async function shutDown(phases: readonly ShutdownPhase[], logger: Logger): Promise<void> {
  const failures: unknown[] = [];
  for (const { name: phase, run } of phases) {
    const startMs = performance.now();
    try {
      await run();
    } catch (thrown) {
      failures.push(thrown);
      const { code, message } = LedgerError.from(thrown);
      logger.error({ phase, code, problem: message }, "a phase of stopping failed");
    }
    logger.info({ phase, tookMs: Math.round(performance.now() - startMs) }, "stopping");
  }
  if (failures.length > 0) throw failures[0];
}
