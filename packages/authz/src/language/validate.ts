/** Reads a model as somebody wrote it and says all that is wrong with it, with line and column. */
import { LedgerError } from "@authledger/types";
import { transformer } from "@openfga/syntax-transformer";
import { compileModel } from "../model/compile.js";
import type { AuthorizationModel } from "../model/model.js";
import { type ModelProblem, modelInvalid, problemsOf } from "../model/model-problem.js";
import { findProblems } from "../model/model-rules.js";
import type { ModelFile, ModelLanguage } from "../records.js";
import { conditionFindings } from "./condition-findings.js";
import { locate, type Places } from "./locate.js";
import { parseModFile, parseModules } from "./modules.js";
import { filesOfManyModules } from "./one-module-per-file.js";
import { checkModelText, readGrammar } from "./openfga.js";
import { fromOpenFgaJson, readOpenFgaJson } from "./openfga-json.js";
import { SourceIndex } from "./source-index.js";
import { readSpiceDb } from "./spicedb.js";

const MOD_FILE = "fga.mod";

/**
 * All problems of a model; none means that it can be deployed.
 * @example validateModel("openfga", [{ name: "", text: "model\n  schema 1.1\ntype a\n  relations\n    define b: [c]\n" }])
 * // [{ kind: "invalid-type", line: 5, column: 16, message: "`c` is not a valid type.", ... }]
 * @throws LedgerError LIMIT_EXCEEDED
 */
export function validateModel(
  language: ModelLanguage,
  files: readonly ModelFile[],
): readonly ModelProblem[] {
  try {
    readModel(language, files);
    return [];
  } catch (thrown) {
    const found = problemsOf(thrown);
    if (found.length === 0) throw thrown;
    return found;
  }
}

/**
 * Reads a model that can be deployed: it follows the grammar, keeps the rules, and compiles.
 * @param files one, or of OpenFGA's language an `fga.mod` and the modules that it names
 * @throws LedgerError MODEL_INVALID with all problems and their places, LIMIT_EXCEEDED
 */
export function readModel(
  language: ModelLanguage,
  files: readonly ModelFile[],
): AuthorizationModel {
  const model = read(language, files);
  compileModel(model);
  return model;
}

function read(language: ModelLanguage, files: readonly ModelFile[]): AuthorizationModel {
  if (language === "openfga" && files.length !== 1) return checkedModules(files);
  const [file] = files;
  if (file === undefined || files.length > 1) {
    const message = `the model has ${files.length} files; one is expected`;
    throw modelInvalid([{ kind: "files", message }]);
  }
  switch (language) {
    case "openfga":
      return checkedOpenFga(file.text);
    case "openfga-json":
      return checkedJson(file.text);
    case "spicedb":
      return checkedSpiceDb(file.text);
  }
}

/** The files that `fga.mod` names, all of them and no other; without one, all files. */
function checkedModules(files: readonly ModelFile[]): AuthorizationModel {
  const mod = files.find(({ name }) => name === MOD_FILE || name.endsWith(`/${MOD_FILE}`));
  if (mod === undefined) return parseModules(files);
  const folder = mod.name.slice(0, -MOD_FILE.length);
  const named = parseModFile(mod.text).map((name) => {
    const file = files.find((one) => one.name === folder + name);
    if (file !== undefined) return file;
    const message = `fga.mod names ${name}, which is not among the files`;
    throw modelInvalid([{ kind: "files", message, symbol: name, file: mod.name }]);
  });
  const extra = files.find((file) => file !== mod && !named.includes(file));
  if (extra === undefined) return parseModules(named);
  const message = `${extra.name} is not named in fga.mod`;
  throw modelInvalid([{ kind: "files", message, symbol: extra.name, file: mod.name }]);
}

function checkedJson(text: string): AuthorizationModel {
  checkModelText(text);
  const json = parseJson(text);
  const model = fromOpenFgaJson(json);
  checkRules(model, [], undefined);
  const files = filesOfManyModules(json);
  if (files.length > 0) throw modelInvalid(files);
  return model;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : "the text is not JSON";
    throw modelInvalid([{ kind: "syntax", message }], thrown);
  }
}

function checkedOpenFga(text: string): AuthorizationModel {
  checkModelText(text);
  const json = readGrammar(text, transformer.transformDSLToJSONObject);
  const source = new SourceIndex(text);
  const duplicates: string[] = [];
  const model = located(source, () => readOpenFgaJson(json, duplicates));
  checkRules(model, duplicates, source);
  return model;
}

/** SpiceDB lets a caveat be that nothing uses. */
function checkedSpiceDb(text: string): AuthorizationModel {
  const { model, places } = readSpiceDb(text);
  checkRules(model, [], places, new Set(["condition-not-used"]));
  return model;
}

function checkRules(
  model: AuthorizationModel,
  duplicates: readonly string[],
  places: Places | undefined,
  allowed: ReadonlySet<string> = new Set(),
): void {
  const findings = [...findProblems(model, duplicates), ...conditionFindings(model)];
  const problems = findings
    .filter(({ kind }) => !allowed.has(kind))
    .map((finding) => locate(finding, places));
  if (problems.length > 0) throw modelInvalid(problems);
}

/** What is wrong with the schema's version is found before there is a model. */
function located<T>(source: SourceIndex, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    const found = problemsOf(thrown);
    if (!(thrown instanceof LedgerError) || found.length === 0) throw thrown;
    const start = { line: 1, column: 1, endColumn: 1 };
    throw modelInvalid(
      found.map((problem) => ({
        ...problem,
        ...(problem.kind === "invalid-schema" ? (source.schema ?? start) : start),
      })),
      thrown,
    );
  }
}
