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

/** A restored vault goes on as `<origin>/i<n>`: its versions, n x 2^48 + height, stay exact below 2^53. */
export const INCARNATION_MAX = 31;
/** Versions of one incarnation; heights are 48 bits. */
const VERSIONS_PER_INCARNATION: number = 2 ** 48;
/** Slugs are decimal, so no vault that was not restored ends like this. */
const INCARNATION = /\/i([1-9][0-9]?)$/;

/**
 * Which incarnation of a vault an origin names; 0 for one that was never restored (commitment.md, "Signing rules", 5).
 * @example incarnationOf("ledger.example/1/2/i3") // 3
 */
export function incarnationOf(origin: string): number {
  const n = Number(INCARNATION.exec(origin)?.[1] ?? 0);
  return n <= INCARNATION_MAX ? n : 0;
}

/** The name under which a vault goes on after a restore. */
export function incarnationOrigin(origin: string, incarnation: number): string {
  const base = incarnationOf(origin) === 0 ? origin : origin.replace(INCARNATION, "");
  return `${base}/i${incarnation}`;
}

/** The version of what the block of this height changes. */
export function versionAt(origin: string, height: number): number {
  return incarnationOf(origin) * VERSIONS_PER_INCARNATION + height;
}
