/** The stored tuples that a dry run looks at: from all over the vault, since paths are hashes, and the same each time for one state. */
import type { SampledTuple } from "@authledger/authz";
import { decodeRecord, isLive, Kind, NONCE_BYTES, PATH_BYTES, tupleOfKey } from "@authledger/proof";
import type { StateView } from "@authledger/state";
import { formatTuple } from "@authledger/types";
import { DRY_RUN_PLACES, DRY_RUN_ROWS_PER_PLACE } from "../limits.js";

export function dryRunSample(view: StateView, timeMs: number): readonly SampledTuple[] {
  const found = new Map<string, SampledTuple>();
  const cursor = view.leafCursor();
  for (let place = 0; place < DRY_RUN_PLACES; place++) {
    const from = new Uint8Array(PATH_BYTES);
    from[0] = Math.floor((place * 256) / DRY_RUN_PLACES);
    let ok = cursor.seek(from);
    for (let row = 0; ok && row < DRY_RUN_ROWS_PER_PLACE; row++) {
      const record = cursor.record && decodeRecord(cursor.record);
      if (record?.key.kind === Kind.tupleByResource && isLive(record, timeMs)) {
        const value = record.value && view.value(cursor.path)?.slice(NONCE_BYTES);
        const tuple = tupleOfKey(record.key);
        found.set(formatTuple(tuple), { tuple, value });
      }
      ok = cursor.next();
    }
  }
  return [...found.values()];
}
