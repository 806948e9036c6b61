/**
 * OpenFGA's JSON form of a model (its API's `WriteAuthorizationModel`), read into ours. Input that nobody vouches for:
 * every shape is checked, unknown keys of rewrites are refused, and a place names what is wrong.
 */
import { checkLimit, REWRITE_DEPTH_MAX } from "../model/limits.js";
import type {
  AuthorizationModel,
  ConditionDefinition,
  ParameterType,
  RelationDefinition,
  Rewrite,
  TypeDefinition,
  TypeRestriction,
} from "../model/model.js";
import { modelInvalid } from "../model/model-problem.js";

type Fields = Readonly<Record<string, unknown>>;

/**
 * @example fromOpenFgaJson({ schema_version: "1.1", type_definitions: [{ type: "user" }] })
 * @throws LedgerError MODEL_INVALID naming the place, LIMIT_EXCEEDED
 */
export function fromOpenFgaJson(json: unknown): AuthorizationModel {
  const duplicates: string[] = [];
  const model = readOpenFgaJson(json, duplicates);
  if (duplicates.length === 0) return model;
  throw modelInvalid(
    duplicates.map((symbol) => {
      const message = `the type \`${symbol}\` is a duplicate.`;
      return { kind: "duplicated-error", message, symbol };
    }),
  );
}

/**
 * The same for who reports types that are there twice himself.
 * @param duplicates gets their names; the model has the relations of all of them
 */
export function readOpenFgaJson(json: unknown, duplicates: string[]): AuthorizationModel {
  const root = fields(json, "model");
  const schema = root["schema_version"];
  if (schema === undefined || schema === "") {
    throw modelInvalid([{ kind: "schema-version-required", message: "schema version required" }]);
  }
  if (schema !== "1.1" && schema !== "1.2") {
    const symbol = String(schema);
    throw modelInvalid([{ kind: "invalid-schema", message: `invalid schema ${symbol}`, symbol }]);
  }
  const types: Record<string, TypeDefinition> = {};
  for (const [i, item] of list(root["type_definitions"], "type_definitions").entries()) {
    const definition = fields(item, `type_definitions[${i}]`);
    const name = text(definition["type"], `type_definitions[${i}].type`);
    const type = readType(name, definition);
    const before = Object.hasOwn(types, name) ? types[name] : undefined;
    if (before !== undefined) duplicates.push(name);
    put(types, name, { ...type, relations: { ...type.relations, ...before?.relations } });
  }
  const conditions: Record<string, ConditionDefinition> = {};
  for (const [name, item] of entries(root["conditions"], "conditions")) {
    put(conditions, name, readCondition(name, fields(item, `conditions.${name}`)));
  }
  return { schema, types, conditions };
}

function readType(type: string, definition: Fields): TypeDefinition {
  const metadata = optional(definition["metadata"], `type ${type}: metadata`);
  const about = optional(metadata["relations"], `type ${type}: metadata.relations`);
  const relations: Record<string, RelationDefinition> = {};
  for (const [name, rewrite] of entries(definition["relations"], `type ${type}: relations`)) {
    const place = `${type}#${name}`;
    const own = optional(Object.hasOwn(about, name) ? about[name] : undefined, place);
    const directTypes = list(own["directly_related_user_types"], place).map((item) =>
      readRestriction(fields(item, `${place}: directly_related_user_types`), place),
    );
    const module = moduleOf(own, place);
    put(relations, name, { rewrite: readRewrite(rewrite, place, 0), directTypes, ...module });
  }
  return { relations, ...moduleOf(metadata, `type ${type}`) };
}

function readRestriction(item: Fields, place: string): TypeRestriction {
  const { relation, condition, wildcard } = item;
  const has = (value: unknown) => value !== undefined && value !== null && value !== "";
  return {
    type: text(item["type"], `${place}: type of a restriction`),
    ...(has(relation) ? { relation: text(relation, `${place}: relation`) } : {}),
    ...(has(wildcard) ? { wildcard: true as const } : {}),
    ...(has(condition) ? { condition: text(condition, `${place}: condition`) } : {}),
  };
}

function readRewrite(json: unknown, place: string, depth: number): Rewrite {
  checkLimit(`nesting of ${place}`, depth, REWRITE_DEPTH_MAX);
  const node = fields(json, place);
  const keys = Object.keys(node).filter((key) => node[key] !== undefined && node[key] !== null);
  const [kind] = keys;
  if (keys.length !== 1 || kind === undefined) {
    throw malformed(place, "a rewrite has exactly one of this, computedUserset, ...");
  }
  const inner = (value: unknown): Rewrite => readRewrite(value, place, depth + 1);
  const value = node[kind];
  switch (kind) {
    case "this":
      return { kind: "direct" };
    case "computedUserset":
      return { kind: "computed", relation: relationOf(value, place) };
    case "tupleToUserset": {
      const both = fields(value, place);
      const tupleset = relationOf(both["tupleset"], place);
      return {
        kind: "tuple_to_userset",
        tupleset,
        relation: relationOf(both["computedUserset"], place),
      };
    }
    case "union":
    case "intersection":
      return { kind, children: list(fields(value, place)["child"], place).map(inner) };
    case "difference": {
      const both = fields(value, place);
      return {
        kind: "exclusion",
        base: inner(both["base"]),
        subtract: inner(both["subtract"]),
      };
    }
    default:
      throw malformed(place, `"${kind}" is not a rewrite`);
  }
}

function relationOf(json: unknown, place: string): string {
  return text(fields(json, place)["relation"], `${place}: relation`);
}

function readCondition(key: string, json: Fields): ConditionDefinition {
  const place = `condition ${key}`;
  const name = json["name"];
  if (name !== undefined && name !== key) {
    const symbol = String(name);
    const message = `condition key is \`${key}\` but nested name property is ${symbol}`;
    throw modelInvalid([{ kind: "different-nested-condition-name", message, symbol }]);
  }
  const parameters: Record<string, ParameterType> = {};
  for (const [parameter, type] of entries(json["parameters"], place)) {
    put(parameters, parameter, readParameterType(type, `${place}: ${parameter}`, 0));
  }
  return {
    parameters,
    expression: text(json["expression"], `${place}: expression`),
    ...moduleOf(optional(json["metadata"], place), place),
  };
}

const SCALARS: ReadonlySet<string> = new Set([
  "any",
  "bool",
  "string",
  "int",
  "uint",
  "double",
  "duration",
  "timestamp",
  "ipaddress",
]);

function readParameterType(json: unknown, place: string, depth: number): ParameterType {
  checkLimit(`nesting of ${place}`, depth, REWRITE_DEPTH_MAX);
  const type = fields(json, place);
  const name = text(type["type_name"], place)
    .replace(/^TYPE_NAME_/, "")
    .toLowerCase();
  if (SCALARS.has(name)) return name as ParameterType & string;
  if (name !== "list" && name !== "map") throw malformed(place, `"${name}" is not a type`);
  const [generic] = list(type["generic_types"], place);
  if (generic === undefined) throw malformed(place, `${name} needs the type of its elements`);
  const element = readParameterType(generic, place, depth + 1);
  return name === "list" ? { list: element } : { map: element };
}

function moduleOf(metadata: Fields, place: string): { readonly module?: string } {
  const { module } = metadata;
  if (module === undefined || module === null || module === "") return {};
  return { module: text(module, `${place}: module`) };
}

/** Names are keys of records; this one would set a prototype instead. */
function put<T>(record: Record<string, T>, name: string, value: T): void {
  if (name === "__proto__") throw malformed("names", `"__proto__" cannot be a name`);
  record[name] = value;
}

function fields(value: unknown, place: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw malformed(place, "an object is expected");
}

function optional(value: unknown, place: string): Fields {
  return value === undefined || value === null ? {} : fields(value, place);
}

function entries(value: unknown, place: string): [string, unknown][] {
  return Object.entries(optional(value, place));
}

function list(value: unknown, place: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw malformed(place, "a list is expected");
}

function text(value: unknown, place: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw malformed(place, "a text is expected");
}

function malformed(place: string, why: string): Error {
  return modelInvalid([{ kind: "malformed", message: `${place}: ${why}`, symbol: place }]);
}
