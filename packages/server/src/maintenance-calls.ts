/** Compaction, integrity checks and the node's account of both: the engine's replies as messages. */
import type { EnginePort, EngineReply, MaintenanceInfo } from "@authledger/engine";
import { FILL_THRESHOLD_DEFAULT } from "@authledger/engine";
import { admin } from "@authledger/proto";
import { LedgerError } from "@authledger/types";

const WAIT_MS_MAX = 300_000;
const FILL_PERCENT_MAX = 50;

/** @throws LedgerError INVALID_ARGUMENT, DISK_FULL, STORE_PAGE_CORRUPT */
export async function compact(
  engine: EnginePort,
  { fillPercent }: admin.CompactRequest,
): Promise<admin.CompactResponse> {
  if (fillPercent > FILL_PERCENT_MAX) {
    const message = `fill_percent is ${fillPercent}; 1 to ${FILL_PERCENT_MAX} is possible, 0 for the default`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "fill_percent" } });
  }
  const fillThreshold = fillPercent === 0 ? FILL_THRESHOLD_DEFAULT : fillPercent / 100;
  const { before, after, ...done } = await engine.call("compact", { fillThreshold });
  return { before: sizeMessage(before), after: sizeMessage(after), ...bigints(done) };
}

/** @throws LedgerError INVALID_ARGUMENT */
export async function checkIntegrity(
  engine: EnginePort,
  { waitMs, follow }: admin.CheckIntegrityRequest,
): Promise<admin.CheckIntegrityResponse> {
  if (waitMs > WAIT_MS_MAX) {
    const message = `wait_ms is ${waitMs}; the limit is ${WAIT_MS_MAX}`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "wait_ms" } });
  }
  const reply = await engine.call("check_integrity", { waitMs, follow });
  const { running, passes, startedAtMs, endedAtMs, pages, divergedVaults, counts } = reply;
  return {
    running,
    ...bigints({ passes, startedAtMs, endedAtMs, pages, divergedVaults, ...counts }),
    differences: reply.differences.map(({ isOfVault: _, height, ...difference }) => ({
      ...difference,
      height: height === undefined ? undefined : BigInt(height),
    })),
  };
}

export function healthMessage(health: EngineReply<"get_vault">["health"]): admin.VaultHealth {
  return health === "healthy"
    ? admin.VaultHealth.VAULT_HEALTH_HEALTHY
    : admin.VaultHealth.VAULT_HEALTH_DIVERGED;
}

export function maintenanceMessage(info: MaintenanceInfo): admin.Maintenance {
  const { isCompacting, isScrubbing, alarms, ...figures } = info;
  return { isCompacting, isScrubbing, alarms: [...alarms], ...bigints(figures) };
}

function sizeMessage(size: EngineReply<"compact">["before"]): admin.FileSize {
  return bigints({ ...size });
}

function bigints<T extends Record<string, number>>(figures: T): { [K in keyof T]: bigint } {
  const pairs = Object.entries(figures).map(([name, figure]) => [name, BigInt(figure)]);
  return Object.fromEntries(pairs) as { [K in keyof T]: bigint };
}
