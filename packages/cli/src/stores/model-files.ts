/** Reads a model from files, in whichever language it is: what `model validate`, `types`, `diff` and `deploy` take. */
import { basename, dirname, join } from "node:path";
import type { ModelFile, ModelLanguage } from "@authledger/authz";
import { parseModFile } from "@authledger/authz/language";
import { readText } from "../run/read-text.js";
import { usage } from "../run/settings.js";
import { isStoreName, readStore } from "./read-store.js";

export const MODEL_LANGUAGES = ["openfga", "openfga-json", "spicedb"] as const;

export interface ModelText {
  readonly language: ModelLanguage;
  readonly files: readonly ModelFile[];
}

/**
 * @param path `model.fga`, `fga.mod` with the modules it names beside it, `model.json`, `schema.zed`, or a store with a model
 * @param language where the name does not tell
 * @throws LedgerError IO_READ_FAILED, MODEL_INVALID for an `fga.mod` that cannot be read, USAGE
 */
export async function readModelFiles(path: string, language?: string): Promise<ModelText> {
  if (isStoreName(path)) return readStore(path);
  const text = await readText(path);
  if (basename(path) === "fga.mod") {
    const files: ModelFile[] = [{ name: "fga.mod", text }];
    for (const name of parseModFile(text)) {
      files.push({ name, text: await readText(join(dirname(path), name)) });
    }
    return { language: "openfga", files };
  }
  return { language: languageOf(path, language), files: [{ name: "", text }] };
}

function languageOf(path: string, given: string | undefined): ModelLanguage {
  if (given !== undefined) {
    const found = MODEL_LANGUAGES.find((one) => one === given);
    if (found !== undefined) return found;
    throw usage(`--language is one of ${MODEL_LANGUAGES.join(", ")}, not "${given}"`);
  }
  if (path.endsWith(".json")) return "openfga-json";
  return /\.(zed|spicedb|authzed)$/.test(path) ? "spicedb" : "openfga";
}
