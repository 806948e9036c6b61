/**
 * Origins: the public names of logs, and the first line of their checkpoints.
 *
 * A vault's origin is `<cluster origin>/<organization slug>/<vault slug>`. It is UTF-8 without white space,
 * "+" and control characters (commitment.md), because it is also the name of the log's key in signed notes.
 */
import { LedgerError } from "./ledger-error.js";
import { measurePrintable } from "./text.js";

const ORIGIN_BYTES_MAX = 255;

/** @throws LedgerError INVALID_ARGUMENT naming `field`. */
export function validateOrigin(origin: string, field = "origin"): void {
  const measured = measurePrintable(origin);
  const problem = !measured.ok
    ? measured.reason
    : origin.length === 0
      ? "is empty"
      : origin.includes("+")
        ? `holds "+"`
        : measured.bytes > ORIGIN_BYTES_MAX
          ? `is longer than ${ORIGIN_BYTES_MAX} bytes`
          : undefined;
  if (problem === undefined) return;
  throw new LedgerError("INVALID_ARGUMENT", `${field} "${origin.slice(0, 80)}" ${problem}`, {
    details: { field },
  });
}

/** @example vaultOrigin("ledger.example", 1n, 2n) // "ledger.example/1/2" */
export function vaultOrigin(clusterOrigin: string, organization: bigint, vault: bigint): string {
  return `${clusterOrigin}/${organization}/${vault}`;
}
