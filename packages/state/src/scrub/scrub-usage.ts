/** What a vault's usage row says, against its newest header and, where there is little, against its rows (INV-USAGE-1). */
import { decodeHeader } from "@authledger/proof";
import { type Tables, u32Key } from "../tables.js";
import { countVaultRows, decodeVaultUsage, leavesOf, type VaultUsage } from "../usage.js";
import type { VaultRow } from "../vault-rows.js";
import type { Finding } from "./difference.js";
import type { ScrubView } from "./scrub-view.js";

/** Leaves of a vault whose rows are counted: more would outlive a view. Larger ones are compared with their header. */
const COUNTED_LEAVES_MAX = 50_000;

/** Yields after every row. A vault that no block has counted yet has nothing to compare. */
export function* scrubUsage(
  vault: VaultRow,
  tables: Tables,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const bytes = view(tables.vaultUsage).get(u32Key(vault.id));
  const tip = view(tables.tip).get(u32Key(vault.id));
  yield;
  if (bytes === undefined || tip === undefined) return undefined;
  const stored = decodeVaultUsage(bytes);
  const { leafCount } = decodeHeader(tip.slice());
  if (leavesOf(stored) !== leafCount) {
    const what = `the usage row counts ${leavesOf(stored)} leaves, the newest header ${leafCount}`;
    return { area: "index", what };
  }
  if (leafCount > COUNTED_LEAVES_MAX) return undefined;
  const counted = yield* countVaultRows(tables, vault.id, view);
  const wrong = (Object.keys(counted) as (keyof VaultUsage)[]).find(
    (name) => counted[name] !== stored[name],
  );
  if (wrong === undefined) return undefined;
  const what = `the usage row says ${wrong} ${stored[wrong]}, its rows ${counted[wrong]}`;
  return { area: "index", what };
}
