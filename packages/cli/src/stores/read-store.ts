/** Reads a store from a file, in whichever of the two forms it is. */
import { LedgerError } from "@authledger/types";
import { readText } from "../run/read-text.js";
import { readFgaStore } from "./fga-store.js";
import { readSpiceDbStore } from "./spicedb-store.js";
import type { Store } from "./store.js";
import { YamlValue } from "./yaml-fields.js";

/** @throws LedgerError INVALID_ARGUMENT naming file, line and column */
export async function readStore(path: string): Promise<Store> {
  const text = await readText(path);
  const fields = new Set(
    YamlValue.parse(path, text)
      .entries()
      .map(([name]) => name),
  );
  if (fields.has("model") || fields.has("model_file")) return readFgaStore(path, text);
  if (fields.has("schema") || fields.has("schemaFile")) return readSpiceDbStore(path, text);
  throw new LedgerError(
    "INVALID_ARGUMENT",
    `${path} has no model: OpenFGA's stores have "model" or "model_file", SpiceDB's validation files "schema" or "schemaFile"`,
  );
}

/** Does the file's name say that it is a store? */
export function isStoreName(path: string): boolean {
  return /\.(fga|zed|spicedb)\.ya?ml$/.test(path);
}
