/**
 * Prints a model in OpenFGA's language, whatever language it came from. What is printed reads back as the same model.
 *
 * INV-MODEL-7  Reading what was printed gives the model that was printed, with the module of each part left out.
 */

import { nameOfType } from "../condition/parameter-value.js";
import type {
  AuthorizationModel,
  ParameterType,
  RelationDefinition,
  Rewrite,
} from "../model/model.js";
import { modelInvalid } from "../model/model-problem.js";
import { nameOf } from "../model/model-rules.js";

/**
 * @example formatOpenFga(parseSpiceDb("definition user {}")) // "model\n  schema 1.1\n\ntype user\n"
 * @throws LedgerError MODEL_INVALID for what the language cannot say: direct assignment that is not first
 */
export function formatOpenFga(model: AuthorizationModel): string {
  const types = Object.entries(model.types).map(([type, { relations }]) => {
    const lines = Object.entries(relations).map(
      ([name, definition]) => `    define ${name}: ${definitionOf(`${type}#${name}`, definition)}`,
    );
    return [`type ${type}`, ...(lines.length > 0 ? ["  relations", ...lines] : [])].join("\n");
  });
  const conditions = Object.entries(model.conditions).map(
    ([name, { parameters, expression }]) =>
      `condition ${name}(${parametersOf(parameters)}) {\n  ${expression}\n}`,
  );
  return `${[`model\n  schema ${model.schema}`, ...types, ...conditions].join("\n\n")}\n`;
}

function parametersOf(parameters: Readonly<Record<string, ParameterType>>): string {
  return Object.entries(parameters)
    .map(([name, type]) => `${name}: ${nameOfType(type)}`)
    .join(", ");
}

function definitionOf(place: string, { rewrite, directTypes }: RelationDefinition): string {
  const direct = `[${directTypes.map(nameOf).join(", ")}]`;
  return write(directFirst(rewrite, place), direct, false);
}

function write(rewrite: Rewrite, direct: string, isNested: boolean): string {
  const inner = (child: Rewrite): string => write(child, direct, true);
  switch (rewrite.kind) {
    case "direct":
      return direct;
    case "computed":
      return rewrite.relation;
    case "tuple_to_userset":
      return `${rewrite.relation} from ${rewrite.tupleset}`;
    case "union":
    case "intersection": {
      const text = rewrite.children.map(inner).join(rewrite.kind === "union" ? " or " : " and ");
      return isNested ? `(${text})` : text;
    }
    case "exclusion": {
      const text = `${inner(rewrite.base)} but not ${inner(rewrite.subtract)}`;
      return isNested ? `(${text})` : text;
    }
  }
}

/** The grammar wants `[...]` first. Children of unions and intersections may change places; nothing else may. */
function directFirst(rewrite: Rewrite, place: string): Rewrite {
  switch (rewrite.kind) {
    case "union":
    case "intersection": {
      const at = rewrite.children.findIndex(hasDirect);
      if (at < 0) return rewrite;
      const first = directFirst(rewrite.children[at]!, place);
      const rest = rewrite.children.filter((_, i) => i !== at);
      if (rest.some(hasDirect)) throw cannotSay(place, "it has direct assignment twice");
      return { kind: rewrite.kind, children: [first, ...rest] };
    }
    case "exclusion":
      if (hasDirect(rewrite.subtract)) throw cannotSay(place, "direct assignment is subtracted");
      return { ...rewrite, base: directFirst(rewrite.base, place) };
    default:
      return rewrite;
  }
}

function hasDirect(rewrite: Rewrite): boolean {
  switch (rewrite.kind) {
    case "direct":
      return true;
    case "union":
    case "intersection":
      return rewrite.children.some(hasDirect);
    case "exclusion":
      return hasDirect(rewrite.base) || hasDirect(rewrite.subtract);
    default:
      return false;
  }
}

function cannotSay(place: string, why: string): Error {
  const message = `${place} cannot be written in OpenFGA's language: ${why}`;
  return modelInvalid([{ kind: "unsupported", message, symbol: place }]);
}
