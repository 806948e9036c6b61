/** Tables that say the same twice: names of organizations and vaults, ages of remembered transactions, and vaults of rows. */
import { equalBytes, toHex } from "@authledger/types";
import { readU32, type Tables, u32Key, u64Key, vaultSlugKey } from "../tables.js";
import type { VaultRows } from "../vault-rows.js";
import type { Finding, ScrubCounts } from "./difference.js";
import { scrubExpiries } from "./scrub-record-indexes.js";
import { lastVault, rowsUnder, type ScrubView } from "./scrub-view.js";

const EVERYTHING: Uint8Array = new Uint8Array(0);

export interface IndexScrubDeps {
  readonly tables: Tables;
  readonly rows: VaultRows;
  readonly counts: ScrubCounts;
}

/** Yields after every row; the first finding ends it. */
export function* scrubIndexes(
  deps: IndexScrubDeps,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  return (
    strangeVault(deps, view) ??
    (yield* scrubOrganizations(deps, view)) ??
    (yield* scrubVaults(deps, view)) ??
    (yield* scrubIdempotency(deps, view)) ??
    (yield* scrubExpiries(deps, view))
  );
}

function index(what: string): Finding {
  return { area: "index", what };
}

/** Rows begin with the id of a vault that exists. */
function strangeVault({ tables }: IndexScrubDeps, view: ScrubView): Finding | undefined {
  const count = view(tables.vault).count;
  const { tip, leaf, value, branch, bucket, header, transaction, history } = tables;
  const { client, idempotency, idempotencyAge } = tables;
  const own = [tip, leaf, value, branch, bucket, header, transaction, history];
  const { entity, leafHist, bucketHist, valueHist } = tables;
  const others = [client, idempotency, idempotencyAge, entity, leafHist, bucketHist, valueHist];
  for (const table of [...own, ...others]) {
    const last = lastVault(view(table));
    if (last >= count)
      return index(`table ${table.name} has rows of vault ${last}, which does not exist`);
  }
  return undefined;
}

function* scrubOrganizations(
  { tables, rows, counts }: IndexScrubDeps,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const slugs = view(tables.organizationSlug);
  if (slugs.count !== view(tables.organization).count) {
    return index("organizations and their slugs are not equally many");
  }
  for (const { key } of rowsUnder(view(tables.organization), EVERYTHING)) {
    const id = readU32(key);
    counts.indexRows++;
    const row = rows.organization(id);
    const found = row && slugs.get(u64Key(row.slug));
    if (found === undefined || !equalBytes(found, u32Key(id))) {
      return index(`organization ${row?.slug ?? id} is not found under its slug`);
    }
    yield;
  }
  return undefined;
}

function* scrubVaults(
  { tables, rows, counts }: IndexScrubDeps,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const slugs = view(tables.vaultSlug);
  if (slugs.count !== view(tables.vault).count)
    return index("vaults and their slugs are not equally many");
  for (const { key } of rowsUnder(view(tables.vault), EVERYTHING)) {
    const id = readU32(key);
    counts.indexRows++;
    const row = rows.vault(id);
    const found = row && slugs.get(vaultSlugKey(row.organization, row.slug));
    if (found === undefined || !equalBytes(found, u32Key(id))) {
      return index(`vault ${row?.slug ?? id} is not found under its slug`);
    }
    yield;
  }
  return undefined;
}

/** INV-IDEM-2: row and age row exist together. */
function* scrubIdempotency(
  { tables, counts }: IndexScrubDeps,
  view: ScrubView,
): Generator<void, Finding | undefined> {
  const remembered = view(tables.idempotency);
  const ages = view(tables.idempotencyAge);
  if (remembered.count !== ages.count) {
    return index(`${remembered.count} transactions are remembered, ${ages.count} have an age`);
  }
  for (const { key, value } of rowsUnder(ages, EVERYTHING)) {
    counts.indexRows++;
    if (readU32(key) !== readU32(value) || !remembered.has(value.slice())) {
      return index(`the age ${toHex(key)} is of a transaction that is not remembered`);
    }
    yield;
  }
  return undefined;
}
