/**
 * Writes a model as TypeScript types, so that a wrong type, relation, subject or parameter does not compile:
 *
 *     const vault = typed(client.vault("acme", "main"));
 *     await vault.decide({ resource: "document:1", relation: "viewer", subject: "user:anne" });
 *     await vault.decide({ resource: "document:1", relation: "vewer", subject: "user:anne" });  // does not compile
 *
 * What is written depends on the model alone, and imports nothing.
 */
import type { AuthorizationModel, ParameterType, TypeRestriction } from "../model/model.js";

/** @example generateTypes(readModel("openfga", [{ name: "", text }])) // "// Types of an authorization model..." */
export function generateTypes(model: AuthorizationModel): string {
  return [
    "// Types of an authorization model, written by `authledger model types`. Do not edit: write them again.",
    `/** Types of objects. */\nexport type ObjectType = ${unionOf(Object.keys(model.types).map(quoted))};`,
    relationsOf(model),
    subjectsOf(model),
    contextsOf(model),
    FIXED,
  ].join("\n\n");
}

function relationsOf(model: AuthorizationModel): string {
  const lines = Object.entries(model.types).map(
    ([type, { relations }]) =>
      `  readonly ${quoted(type)}: ${unionOf(Object.keys(relations).map(quoted))};`,
  );
  return `/** Relations by type of object. */\n${interfaceOf("Relations", lines)}`;
}

function subjectsOf(model: AuthorizationModel): string {
  const lines = Object.entries(model.types).flatMap(([type, { relations }]) => [
    `  readonly ${quoted(type)}: {`,
    ...Object.entries(relations).map(([relation, { directTypes }]) => {
      const subjects = [...new Set(directTypes.map(subjectOf))];
      return `    readonly ${quoted(relation)}: ${unionOf(subjects)};`;
    }),
    "  };",
  ]);
  const title = "Who may stand in a stored relationship; never: the relation is computed.";
  return `/** ${title} */\n${interfaceOf("Subjects", lines)}`;
}

function subjectOf({ type, relation, wildcard }: TypeRestriction): string {
  if (wildcard) return quoted(`${type}:*`);
  return relation === undefined ? `\`${type}:\${string}\`` : `\`${type}:\${string}#${relation}\``;
}

function contextsOf({ conditions }: AuthorizationModel): string {
  const lines = Object.entries(conditions).flatMap(([name, { parameters }]) => [
    `  readonly ${quoted(name)}: {`,
    ...Object.entries(parameters).map(
      ([parameter, type]) => `    readonly ${quoted(parameter)}?: ${typeOf(type)};`,
    ),
    "  };",
  ]);
  const types = new Map<string, Set<string>>();
  for (const { parameters } of Object.values(conditions)) {
    for (const [parameter, type] of Object.entries(parameters)) {
      types.set(parameter, (types.get(parameter) ?? new Set()).add(typeOf(type)));
    }
  }
  const all = [...types].map(
    ([parameter, of]) => `  readonly ${quoted(parameter)}?: ${unionOf([...of])};`,
  );
  return [
    `/** What a relationship may carry, by condition. */\n${interfaceOf("Conditions", lines)}`,
    `/** Values of parameters that a question may bring. */\n${interfaceOf("Context", all)}`,
  ].join("\n\n");
}

function typeOf(type: ParameterType): string {
  if (typeof type === "object") {
    return "list" in type
      ? `readonly (${typeOf(type.list)})[]`
      : `{ readonly [key: string]: ${typeOf(type.map)} }`;
  }
  switch (type) {
    case "any":
      return "unknown";
    case "bool":
      return "boolean";
    case "int":
    case "uint":
    case "double":
      return "number | string";
    default:
      return "string";
  }
}

function interfaceOf(name: string, lines: readonly string[]): string {
  return lines.length === 0
    ? `export type ${name} = Readonly<Record<never, never>>;`
    : `export interface ${name} {\n${lines.join("\n")}\n}`;
}

function unionOf(members: readonly string[]): string {
  return members.length === 0 ? "never" : members.join(" | ");
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

const FIXED = `/** \`document:budget\`. */
export type ObjectOf<T extends ObjectType = ObjectType> = \`\${T}:\${string}\`;

type UsersetOf<T extends ObjectType> = \`\${T}:\${string}#\${Relations[T]}\`;

/** Whom a question may be about: an object, everybody of a type, or who has a relation to an object. */
export type Subject = ObjectOf | { [T in ObjectType]: UsersetOf<T> }[ObjectType];

/** Has the subject the relation to the resource? */
export type Question = {
  [T in ObjectType]: {
    readonly resource: ObjectOf<T>;
    readonly relation: Relations[T];
    readonly subject: Subject;
  };
}[ObjectType];

type RelationshipOf<T extends ObjectType> = {
  [R in keyof Subjects[T] & string]: {
    readonly resource: ObjectOf<T>;
    readonly relation: R;
    readonly subject: Subjects[T][R];
  };
}[keyof Subjects[T] & string];

/** A relationship that the model lets one store. */
export type Relationship = { [T in ObjectType]: RelationshipOf<T> }[ObjectType];

/** The condition of a relationship, with what it says of the parameters. */
export type Condition = {
  [C in keyof Conditions & string]: { readonly name: C; readonly context: Conditions[C] };
}[keyof Conditions & string];

type Asks = "check" | "decide" | "explain";
type AsksMany = "checkMany" | "decideMany";
type Tail<F> = F extends (first: never, ...rest: infer R) => unknown ? R : never;
type Result<F> = F extends (...all: never) => infer A ? A : never;
type WithContext<O> = { [K in keyof O]: NonNullable<O[K]> extends object ? Options<O[K]> : O[K] };
type Options<O> = O extends { readonly context?: unknown }
  ? Omit<O, "context"> & { readonly context?: Context | undefined }
  : O;

/** A client of a vault whose questions are those of the model. */
export type Typed<V> = {
  [K in keyof V]: K extends Asks
    ? (question: Question, ...rest: WithContext<Tail<V[K]>>) => Result<V[K]>
    : K extends AsksMany
      ? (questions: readonly Question[], ...rest: WithContext<Tail<V[K]>>) => Result<V[K]>
      : V[K];
};

/** The same client with the types of the model; nothing changes when it runs. */
export function typed<V>(vault: V): Typed<V> {
  return vault as unknown as Typed<V>;
}
`;
