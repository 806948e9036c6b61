/**
 * Models that a vault can hold. OpenFGA's and SpiceDB's languages allow names that no stored tuple can have, such as the relation
 * `can-view` or the type `acme/document`: a model with one reads right, and nothing could ever be written under it.
 *
 *   INV-MODEL-9  Every type and relation of a deployed model is one that the grammar of tuples has (architecture.md, "Grammar").
 */
import { LedgerError, validateRelation, validateType } from "@authledger/types";
import type { AuthorizationModel } from "../model/model.js";
import { type ModelProblem, modelInvalid, problemsOf } from "../model/model-problem.js";
import type { Finding } from "../model/model-rules.js";
import type { ModelFile, ModelLanguage } from "../records.js";
import { locate, type Places } from "./locate.js";
import { SourceIndex } from "./source-index.js";
import { readSpiceDb } from "./spicedb.js";
import { readModel } from "./validate.js";

const TYPE_RULE = `a type is a letter and up to 62 more letters, digits, "_" or "-"`;
const RELATION_RULE = `a relation is a letter and up to 62 more letters, digits or "_"`;

/**
 * Reads a model that can be deployed: it is right in its language, and tuples can have its names.
 * @param files one, or of OpenFGA's language an `fga.mod` and the modules that it names
 * @throws LedgerError MODEL_INVALID with all problems and their places, LIMIT_EXCEEDED
 */
export function readLedgerModel(
  language: ModelLanguage,
  files: readonly ModelFile[],
): AuthorizationModel {
  const model = readModel(language, files);
  const findings = namesWithoutTuples(model);
  if (findings.length === 0) return model;
  const sources = sourcesOf(language, files);
  throw modelInvalid(findings.map((finding) => placed(finding, sources)));
}

/**
 * All problems of a model; none means that it can be deployed.
 * @example validateLedgerModel("openfga", [{ name: "", text: "model\n  schema 1.1\ntype a\n  relations\n    define b: [c]\n" }])
 * // [{ kind: "invalid-type", line: 5, column: 16, message: "`c` is not a valid type.", ... }]
 * @throws LedgerError LIMIT_EXCEEDED
 */
export function validateLedgerModel(
  language: ModelLanguage,
  files: readonly ModelFile[],
): readonly ModelProblem[] {
  try {
    readLedgerModel(language, files);
    return [];
  } catch (thrown) {
    const found = problemsOf(thrown);
    if (found.length === 0) throw thrown;
    return found;
  }
}

function namesWithoutTuples(model: AuthorizationModel): readonly Finding[] {
  const kind = "invalid-name";
  const found: Finding[] = [];
  for (const [type, { relations }] of Object.entries(model.types)) {
    if (!passes(() => validateType(type))) {
      const message = `no tuple can have the type \`${type}\`: ${TYPE_RULE}.`;
      found.push({ kind, message, symbol: type, type, at: "type" });
    }
    for (const relation of Object.keys(relations)) {
      if (passes(() => validateRelation(relation))) continue;
      const message = `no tuple can have the relation \`${relation}\` of \`${type}\`: ${RELATION_RULE}.`;
      found.push({ kind, message, symbol: relation, type, relation, at: "relation" });
    }
  }
  return found;
}

function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

interface Source {
  readonly places: Places;
  readonly file: string | undefined;
}

/** Where names may stand; JSON has no places. */
function sourcesOf(language: ModelLanguage, files: readonly ModelFile[]): readonly Source[] {
  if (language === "openfga-json") return [];
  return files.map(({ name, text }) => ({
    places: language === "spicedb" ? readSpiceDb(text).places : new SourceIndex(text),
    file: files.length > 1 ? name : undefined,
  }));
}

function placed(finding: Finding, sources: readonly Source[]): ModelProblem {
  const source = sources.find(({ places }) => places.find(finding) !== undefined);
  return locate(finding, source?.places, source?.file);
}
