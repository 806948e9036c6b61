/**
 * Whether a campaign was one: an edge that no seed reached was not tested, however many seeds broke no rule.
 *
 *   INV-SIM-10  A large campaign over the core in which one of the sometimes-assertions never came true has failed.
 */
import { wantedSometimes } from "../core/sometimes.js";
import type { ModeName } from "./mode.js";
import type { Sums } from "./tally.js";

/** The rarest of them comes true in one seed of twenty. */
const SEEDS_FOR_ALL = 1_000;

/** INV-SIM-10. Names what never came true; whole nodes name their edges as they meet them, so nothing is missed there. */
export function neverHappened(mode: ModeName, { seeds, sometimes }: Sums): string[] {
  if (mode !== "core" || seeds < SEEDS_FOR_ALL) return [];
  return wantedSometimes.filter((name) => (sometimes[name] ?? 0) === 0);
}
