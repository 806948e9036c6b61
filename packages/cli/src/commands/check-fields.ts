/** How an answer was verified, for people and programs. */
import type { Verified } from "@authledger/sdk";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";

export const VERIFIED_COLUMNS: readonly string[] = [
  "verified",
  "origin",
  "judged_at",
  "trusted_size",
  "trusted_root",
];

export function verifiedFields(verified: Verified | undefined): Record<string, Printable> {
  if (verified === undefined) return {};
  const { kind, origin, timeMs, trustedSize, trustedRoot } = verified;
  return {
    verified: kind,
    origin,
    judged_at: timeText(timeMs),
    judged_at_ms: timeMs,
    trusted_size: trustedSize,
    trusted_root: trustedRoot,
  };
}
