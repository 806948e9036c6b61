/** What the tests of erasure share: the item of the log that erases an entity's earlier values. */
import { entityKey } from "@authledger/proof";
import { toHex } from "@authledger/types";
import type { EntryItem } from "../src/index.js";
import { type Ledger, ORGANIZATION } from "./state-support.js";

export function erasure(
  { state, leader }: Pick<Ledger, "state" | "leader">,
  key: string,
): EntryItem {
  const vault = state.vault(1)!;
  const path = vault.paths.path(entityKey(key)).slice();
  const plain = new TextEncoder().encode("{}");
  const entity = `erasure:${ORGANIZATION}:1:${toHex(path)}`;
  const registration = leader.seal([{ op: "set_entity", key: entity, plain, expiresAtMs: 0 }]);
  return { kind: "erase", vault: 1, path, registration };
}
