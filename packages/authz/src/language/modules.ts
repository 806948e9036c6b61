/**
 * Models in modules (schema 1.2): several files, each with types and conditions of its own, that may extend types of
 * others with relations. The file `fga.mod` names them.
 */
import { errors, transformer } from "@openfga/syntax-transformer";
import type { AuthorizationModel } from "../model/model.js";
import { type ModelProblem, modelInvalid, problemsOf } from "../model/model-problem.js";
import { type Finding, findProblems } from "../model/model-rules.js";
import type { ModelFile } from "../records.js";
import { conditionFindings } from "./condition-findings.js";
import { locate } from "./locate.js";
import { checkModelText, readGrammar, syntaxProblems } from "./openfga.js";
import { readOpenFgaJson } from "./openfga-json.js";
import { SourceIndex } from "./source-index.js";

/** Files of one model. */
const MODULE_FILES_MAX = 200;

type TypeJson = NonNullable<ReturnType<typeof readFile>["types"][number]>;

/**
 * Reads `fga.mod`: the names of the files, as they are written there.
 * @throws LedgerError MODEL_INVALID with all problems and their places
 */
export function parseModFile(text: string): readonly string[] {
  checkModelText(text);
  try {
    return transformer.transformModFileToJSON(text).contents.value.map(({ value }) => value);
  } catch (thrown) {
    if (!(thrown instanceof errors.FGAModFileValidationError)) throw thrown;
    throw modelInvalid(syntaxProblems(thrown.errors, "fga.mod"), thrown);
  }
}

/**
 * Puts the files of a model together and checks it.
 * @throws LedgerError MODEL_INVALID with all problems, each with its file, line and column
 */
export function parseModules(files: readonly ModelFile[]): AuthorizationModel {
  const merge = new Merge(files);
  const duplicates: string[] = [];
  const json = {
    schema_version: "1.2",
    type_definitions: merge.types,
    conditions: merge.conditions,
  };
  const model = readOpenFgaJson(json, duplicates);
  const findings = [...findProblems(model, duplicates), ...conditionFindings(model)];
  const problems = [...merge.problems, ...findings.map((finding) => merge.locate(finding))];
  if (problems.length > 0) throw modelInvalid(problems);
  return model;
}

class Merge {
  readonly types: TypeJson[] = [];
  readonly conditions: Record<string, unknown> = {};
  readonly problems: ModelProblem[] = [];
  /** Which file defines a type, `type#relation` or condition. */
  readonly #fileOf = new Map<string, string>();
  readonly #sources = new Map<string, SourceIndex>();

  constructor(files: readonly ModelFile[]) {
    if (files.length > MODULE_FILES_MAX) {
      const message = `the model has ${files.length} files; the limit is ${MODULE_FILES_MAX}`;
      throw modelInvalid([{ kind: "modules", message }]);
    }
    const extensions: { readonly file: string; readonly type: TypeJson }[] = [];
    for (const { name: file, text } of files) {
      this.#sources.set(file, new SourceIndex(text));
      for (const type of this.#read(file, text)) {
        if (type.isExtension) extensions.push({ file, type });
        else this.#define(file, type);
      }
    }
    for (const { file, type } of extensions) this.#extend(file, type);
  }

  locate(finding: Finding): ModelProblem {
    const { type, relation, condition } = finding;
    const file =
      this.#fileOf.get(`${type}#${relation}`) ??
      this.#fileOf.get(condition === undefined ? `type ${type}` : `condition ${condition}`);
    return locate(finding, file === undefined ? undefined : this.#sources.get(file), file);
  }

  #read(file: string, text: string) {
    try {
      checkModelText(text);
      const { types, conditions, isModule } = readGrammar(text, readFile, file);
      if (!isModule) {
        const place = { file, line: 1, column: 1, endColumn: 1 };
        this.problems.push({ kind: "modules", message: "file is not a module", ...place });
        return [];
      }
      for (const [name, condition] of Object.entries(conditions)) {
        if (Object.hasOwn(this.conditions, name)) {
          this.#report(file, `duplicate condition ${name}`, { condition: name, symbol: name });
          continue;
        }
        this.conditions[name] = condition;
        this.#fileOf.set(`condition ${name}`, file);
      }
      return types;
    } catch (thrown) {
      const found = problemsOf(thrown);
      if (found.length === 0) throw thrown;
      this.problems.push(...found);
      return [];
    }
  }

  #define(file: string, type: TypeJson): void {
    this.types.push(type);
    if (!this.#fileOf.has(`type ${type.type}`)) this.#fileOf.set(`type ${type.type}`, file);
    for (const relation of Object.keys(type.relations)) {
      const key = `${type.type}#${relation}`;
      if (!this.#fileOf.has(key)) this.#fileOf.set(key, file);
    }
  }

  #extend(file: string, extension: TypeJson): void {
    const name = extension.type;
    const original = this.types.find(({ type }) => type === name);
    if (original === undefined) {
      this.#report(file, `extended type ${name} does not exist`, { type: name, symbol: name });
      return;
    }
    for (const [relation, rewrite] of Object.entries(extension.relations)) {
      if (Object.hasOwn(original.relations, relation)) {
        const message = `relation ${relation} already exists on type ${name}`;
        this.#report(file, message, { type: name, relation, symbol: relation });
        continue;
      }
      original.relations[relation] = rewrite;
      original.metadata.relations ??= {};
      const about = extension.metadata.relations?.[relation];
      if (about !== undefined) original.metadata.relations[relation] = about;
      this.#fileOf.set(`${name}#${relation}`, file);
    }
  }

  #report(
    file: string,
    message: string,
    about: Pick<Finding, "symbol"> & Partial<Pick<Finding, "type" | "relation" | "condition">>,
  ): void {
    const at =
      about.condition !== undefined
        ? "condition"
        : about.relation === undefined
          ? "type"
          : "relation";
    const finding: Finding = { kind: "modules", message, at, ...about };
    this.problems.push(locate(finding, this.#sources.get(file), file));
  }
}

interface RelationsJson {
  readonly type: string;
  readonly relations: Record<string, unknown>;
  readonly metadata: { relations?: Record<string, unknown> };
}

/** One file through the grammar. */
function readFile(text: string) {
  const { authorizationModel, typeDefExtensions } =
    transformer.transformModularDSLToJSONObject(text);
  const definitions = (authorizationModel["type_definitions"] ?? []) as readonly (RelationsJson & {
    readonly metadata: RelationsJson["metadata"] | null;
  })[];
  return {
    isModule: (authorizationModel["schema_version"] as string | undefined) === undefined,
    conditions: (authorizationModel["conditions"] ?? {}) as Readonly<Record<string, unknown>>,
    types: definitions.map((definition) => ({
      type: definition.type,
      relations: { ...definition.relations },
      metadata: { ...definition.metadata } as RelationsJson["metadata"],
      isExtension: typeDefExtensions.has(definition.type),
    })),
  };
}
