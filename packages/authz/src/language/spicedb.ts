/**
 * SpiceDB's schema language, brought to the same form as OpenFGA's where the two say the same:
 *
 *     relation viewer: user | user:* | group#member with only_office     define viewer: [user, user:*, group#member with only_office]
 *     permission view = viewer + parent->view                            define view: viewer or view from parent
 *     permission edit = (editor & member) - banned                       define edit: (editor and member) but not banned
 *     caveat only_office(ip ipaddress) { ip.in_cidr("10.0.0.0/8") }      condition only_office(ip: ipaddress) { ... }
 *
 * What has no counterpart is refused with its place and what to write instead, never left out: `.all()`, expiration,
 * partials, imports, permissions that are nil.
 */
import type {
  AuthorizationModel,
  ConditionDefinition,
  ParameterType,
  RelationDefinition,
  Rewrite,
  TypeDefinition,
  TypeRestriction,
} from "../model/model.js";
import { type ModelProblem, modelInvalid } from "../model/model-problem.js";
import { type Finding, nameOf } from "../model/model-rules.js";
import type { Places, SourcePlace } from "./locate.js";
import { checkModelText } from "./openfga.js";
import { type ParsedExpression, type ParsedObjectDefinition, parse } from "./spicedb-parser.js";

type Definition = NonNullable<ReturnType<typeof parse>["schema"]>["definitions"][number];
type Caveat = Extract<Definition, { kind: "caveatDef" }>;
type ParsedRelation = ParsedObjectDefinition["relations"][number];
type Range = Definition["range"];
type TypeRef = ParsedRelation["allowedTypes"]["types"][number];

/** Features that a schema may ask for with `use` and that change nothing here. */
const FEATURES: ReadonlySet<string> = new Set(["typechecking"]);
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

/**
 * @example parseSpiceDb("definition user {}\ndefinition doc { relation viewer: user }").types["doc"]
 * @throws LedgerError MODEL_INVALID with all problems, each with line and column; LIMIT_EXCEEDED
 */
export function parseSpiceDb(text: string): AuthorizationModel {
  return readSpiceDb(text).model;
}

/** The model and where its parts stand. */
export function readSpiceDb(text: string): {
  readonly model: AuthorizationModel;
  readonly places: Places;
} {
  checkModelText(text);
  return withinStack(() => readChecked(text));
}

/** The parser and the walk over what it gives recurse as deep as a chain of operators is long. */
function withinStack<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    const message = "an expression is too long; split it into several permissions";
    throw modelInvalid([{ kind: "syntax", message }], thrown);
  }
}

function readChecked(text: string): ReturnType<typeof readSpiceDb> {
  const { error, schema } = parse(text);
  if (error !== undefined || schema === undefined) {
    const { line = 1, column = 1 } = error?.index ?? {};
    const expected = error?.expected.filter((one) => one.startsWith("'")) ?? [];
    const message =
      expected.length === 0 ? "not understood here" : `expected ${expected.join(" or ")} here`;
    throw modelInvalid([{ kind: "syntax", message, line, column, endColumn: column + 1 }]);
  }
  const front = new SpiceDbFront(text);
  const model = front.read(schema.definitions);
  if (front.problems.length > 0) throw modelInvalid(front.problems);
  return { model, places: front };
}

class SpiceDbFront implements Places {
  readonly problems: ModelProblem[] = [];
  readonly #text: string;
  readonly #places = new Map<string, SourcePlace>();

  constructor(text: string) {
    this.#text = text;
  }

  find({ at, type = "", relation = "", condition = "", symbol, within }: Finding) {
    const key = at === "condition" ? condition : `${type}#${relation}`;
    const inner = within && this.#places.get(`expression ${condition}`);
    if (inner !== undefined && within !== undefined) {
      const column = within.line === 1 ? inner.column + within.column - 1 : within.column;
      return { line: inner.line + within.line - 1, column, endColumn: column + 1 };
    }
    const word = at === "rewrite" || at === "from" || at === "restriction" || at === "with";
    return this.#places.get(word ? `${at} ${key} ${symbol}` : `${at} ${key}`);
  }

  read(definitions: readonly Definition[]): AuthorizationModel {
    const types: Record<string, TypeDefinition> = {};
    const conditions: Record<string, ConditionDefinition> = {};
    for (const definition of definitions) {
      switch (definition.kind) {
        case "objectDef":
          if (this.#isNew(types, definition.name, definition.range)) {
            types[definition.name] = this.#type(definition);
          }
          break;
        case "caveatDef":
          if (this.#isNew(conditions, definition.name, definition.range)) {
            conditions[definition.name] = this.#caveat(definition);
          }
          break;
        case "use":
          if (!FEATURES.has(definition.featureName)) {
            const message = `the feature \`${definition.featureName}\` is not supported; remove it and what needs it`;
            this.#refuse(definition.range, message, definition.featureName);
          }
          break;
        default: {
          const message = `\`${definition.kind}\` is not supported; write what it stands for in each definition`;
          this.#refuse(definition.range, message, definition.kind);
        }
      }
    }
    return { schema: "1.1", types, conditions };
  }

  #type(definition: ParsedObjectDefinition): TypeDefinition {
    const { name: type, range } = definition;
    this.#note(`type ${type}#`, range, type);
    for (const partial of definition.partialReferences) {
      const message = `the partial \`${partial.name}\` is not supported; write its members here`;
      this.#refuse(partial.range, message, partial.name);
    }
    const relations: Record<string, RelationDefinition> = {};
    for (const relation of definition.relations) {
      if (!this.#isNew(relations, relation.name, relation.range)) continue;
      const key = `${type}#${relation.name}`;
      this.#note(`relation ${key}`, relation.range, relation.name);
      const directTypes = relation.allowedTypes.types.map((ref) => this.#restriction(key, ref));
      relations[relation.name] = { rewrite: { kind: "direct" }, directTypes };
    }
    for (const { name, expr, range: place } of definition.permissions) {
      if (!this.#isNew(relations, name, place)) continue;
      const key = `${type}#${name}`;
      this.#note(`relation ${key}`, place, name);
      const rewrite = this.#rewrite(key, expr);
      if (rewrite === undefined) {
        this.#refuse(
          place,
          `the permission \`${name}\` is nil: nobody ever has it; remove it`,
          name,
        );
      } else relations[name] = { rewrite, directTypes: [] };
    }
    return { relations };
  }

  #restriction(key: string, ref: TypeRef): TypeRestriction {
    const { path: type, relationName: relation, wildcard, withCaveat, withExpiration } = ref;
    const expires = withExpiration !== undefined || withCaveat?.path === "expiration";
    const alsoExpires = withCaveat as { readonly withExpiration?: readonly unknown[] } | undefined;
    if (expires || (alsoExpires?.withExpiration?.length ?? 0) > 0) {
      const message =
        "`with expiration` is not part of models here; give tuples an expiry when they are written";
      this.#refuse(ref.range, message, type);
    }
    const condition = expires ? undefined : withCaveat?.path;
    const restriction = {
      type,
      ...(relation === undefined ? {} : { relation }),
      ...(wildcard ? { wildcard: true as const } : {}),
      ...(condition === undefined ? {} : { condition }),
    };
    const subject = relation === undefined ? type : `${type}#${relation}`;
    this.#note(`restriction ${key} ${type}`, ref.range, type);
    this.#note(`restriction ${key} ${subject}`, ref.range, subject);
    this.#note(`restriction ${key} ${nameOf(restriction)}`, ref.range, type);
    if (condition !== undefined && withCaveat !== undefined) {
      this.#note(`with ${key} ${condition}`, withCaveat.range, condition);
    }
    return restriction;
  }

  /** Undefined stands for nil. */
  #rewrite(key: string, expression: ParsedExpression): Rewrite | undefined {
    const { range } = expression;
    switch (expression.kind) {
      case "nil":
        return undefined;
      case "relationref": {
        const { relationName: relation } = expression;
        this.#checkName(relation, range);
        this.#note(`rewrite ${key} ${relation}`, range, relation);
        return { kind: "computed", relation };
      }
      case "namedarrow":
        if (expression.functionName !== "any") {
          const name = expression.functionName;
          const message = `\`.${name}()\` is not supported; \`->\` and \`.any()\` are: who has it through one parent has it`;
          this.#refuse(range, message, name);
        }
        return this.#arrow(key, expression);
      case "arrow":
        return this.#arrow(key, expression);
      case "binary":
        return this.#binary(key, expression);
    }
  }

  #arrow(key: string, arrow: Extract<ParsedExpression, { kind: "arrow" | "namedarrow" }>): Rewrite {
    const { sourceRelation, targetRelationOrPermission: relation, range } = arrow;
    const tupleset = sourceRelation.relationName;
    this.#checkName(tupleset, range);
    this.#checkName(relation, range);
    this.#note(`from ${key} ${tupleset}`, sourceRelation.range, tupleset);
    this.#note(`rewrite ${key} ${relation} from ${tupleset}`, range, tupleset);
    return { kind: "tuple_to_userset", tupleset, relation };
  }

  #binary(key: string, binary: Extract<ParsedExpression, { kind: "binary" }>): Rewrite | undefined {
    const left = this.#rewrite(key, binary.left);
    const right = this.#rewrite(key, binary.right);
    switch (binary.operator) {
      case "union":
        if (left === undefined || right === undefined) return left ?? right;
        return flat("union", [left, right]);
      case "intersection":
        if (left === undefined || right === undefined) return undefined;
        return flat("intersection", [left, right]);
      case "exclusion":
        if (left === undefined || right === undefined) return left;
        return { kind: "exclusion", base: left, subtract: right };
    }
  }

  #caveat({ name, parameters, expression, range }: Caveat): ConditionDefinition {
    this.#note(`condition ${name}`, range, name);
    const types: Record<string, ParameterType> = {};
    for (const parameter of parameters) {
      if (!this.#isNew(types, parameter.name, parameter.range)) continue;
      types[parameter.name] = this.#parameterType(parameter.type);
    }
    const { startIndex, endIndex } = expression.range;
    const body = this.#text.slice(startIndex.offset, endIndex.offset);
    this.#note(`expression ${name}`, expression.range, body.trim().slice(0, 1));
    return { parameters: types, expression: body.trim() };
  }

  #parameterType(type: Caveat["parameters"][number]["type"]): ParameterType {
    const [element] = type.generics;
    if (type.name === "list" || type.name === "map") {
      const of = element === undefined ? "any" : this.#parameterType(element);
      return type.name === "list" ? { list: of } : { map: of };
    }
    if (SCALARS.has(type.name)) return type.name as ParameterType & string;
    this.#refuse(type.range, `parameters of type \`${type.name}\` are not supported`, type.name);
    return "any";
  }

  /** The grammar takes `a+b` for one name. */
  #checkName(name: string, range: Range): void {
    if (!name.includes("+")) return;
    this.#refuse(range, `\`${name}\` reads as one name; write spaces around +`, name);
  }

  #isNew(record: object, name: string, range: Range): boolean {
    this.#checkName(name, range);
    if (name === "__proto__") this.#refuse(range, "`__proto__` cannot be a name", name);
    else if (!Object.hasOwn(record, name)) return true;
    else this.#refuse(range, `\`${name}\` is defined twice`, name);
    return false;
  }

  /** Remembers where `symbol` stands within the range; the first place counts. */
  #note(key: string, range: Range, symbol: string): void {
    if (!this.#places.has(key)) this.#places.set(key, this.#placeOf(range, symbol));
  }

  #refuse(range: Range, message: string, symbol: string): void {
    const place = this.#placeOf(range, symbol);
    this.problems.push({ kind: "unsupported", message, symbol, ...place });
  }

  #placeOf({ startIndex, endIndex }: Range, symbol: string): SourcePlace {
    const text = this.#text.slice(startIndex.offset, endIndex.offset);
    const at = Math.max(0, text.indexOf(symbol));
    const before = text.slice(0, at);
    const lines = before.split("\n");
    const line = startIndex.line + lines.length - 1;
    const column = lines.length === 1 ? startIndex.column + at : lines.at(-1)!.length + 1;
    return { line, column, endColumn: column + symbol.length };
  }
}

/** `a + (b + c)` is one union, and what is there twice is there once. */
function flat(kind: "union" | "intersection", children: readonly Rewrite[]): Rewrite {
  const all = children.flatMap((child) => (child.kind === kind ? child.children : [child]));
  const seen = new Set<string>();
  const once = all.filter((child) => {
    const text = JSON.stringify(child);
    return !seen.has(text) && seen.add(text);
  });
  return once.length === 1 ? once[0]! : { kind, children: once };
}
