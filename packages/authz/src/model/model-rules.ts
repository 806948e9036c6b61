/**
 * Rules that a model must keep to make sense, beyond what its grammar asks: names that exist, "from" over plain
 * objects, relations that somebody can have. Found over the model alone; where a finding stands in a text is for the
 * language that the text is in.
 *
 * The rules and the words of their messages are those that OpenFGA's tools have, so that a model is refused here for
 * what it is refused for there. One is stricter than its command line and as strict as its server: relations of one
 * object that follow from each other in a circle through "but not" are refused, since such a model has no meaning.
 *
 * INV-MODEL-6  Later groups of rules are asked only where the groups before found nothing: one mistake is reported once.
 */
import { dependenciesFirst } from "./dependencies-first.js";
import type { AuthorizationModel, RelationDefinition, Rewrite, TypeRestriction } from "./model.js";

/** Something wrong, and what in the text it is about. */
export interface Finding {
  readonly kind: string;
  readonly message: string;
  readonly symbol: string;
  readonly type?: string;
  readonly relation?: string;
  readonly condition?: string;
  /** What to point to: a name where it is defined, or words of a relation's definition. */
  readonly at: "type" | "relation" | "condition" | "restriction" | "rewrite" | "from" | "with";
  /** Within a condition's expression, counted from 1. */
  readonly within?: { readonly line: number; readonly column: number };
}

const TYPE_NAME = "^[^:#@\\*\\s]{1,254}$";
const RELATION_NAME = "^[^:#@\\*\\s]{1,50}$";
const RESERVED: ReadonlySet<string> = new Set(["self", "this"]);

/**
 * All findings; none where the model makes sense. Conditions themselves are checked by who compiles them.
 * @param duplicateTypes types that the text defines again; the model has them once
 */
export function findProblems(
  model: AuthorizationModel,
  duplicateTypes: readonly string[] = [],
): readonly Finding[] {
  const names = wrongNames(model);
  if (names.length > 0) return names;
  for (const rule of [wrongReferences, duplicates, impossibleRelations]) {
    const found = [...eachRelation(model)].flatMap((place) => rule(model, place));
    if (rule === duplicates) found.push(...duplicateTypes.map(duplicateType));
    if (found.length > 0) return [...found, ...unusedConditions(model)];
  }
  return unusedConditions(model);
}

function duplicateType(type: string): Finding {
  const message = `the type \`${type}\` is a duplicate.`;
  return { kind: "duplicated-error", message, symbol: type, type, at: "type" };
}

interface Place {
  readonly type: string;
  readonly relation: string;
  readonly definition: RelationDefinition;
}

function* eachRelation(model: AuthorizationModel): Iterable<Place> {
  for (const [type, { relations }] of Object.entries(model.types)) {
    for (const [relation, definition] of Object.entries(relations)) {
      yield { type, relation, definition };
    }
  }
}

function wrongNames(model: AuthorizationModel): Finding[] {
  const found: Finding[] = [];
  for (const [type, { relations }] of Object.entries(model.types)) {
    const at = { symbol: type, type, at: "type" } as const;
    if (RESERVED.has(type)) {
      const message = "a type cannot be named 'self' or 'this'.";
      found.push({ kind: "reserved-type-keywords", message, ...at });
    }
    if (!new RegExp(TYPE_NAME).test(type)) {
      const message = `type '${type}' does not match naming rule: '${TYPE_NAME}'.`;
      found.push({ kind: "invalid-name", message, ...at });
    }
    for (const relation of Object.keys(relations)) {
      const where = { symbol: relation, type, relation, at: "relation" } as const;
      if (RESERVED.has(relation)) {
        const message = "a relation cannot be named 'self' or 'this'.";
        found.push({ kind: "reserved-relation-keywords", message, ...where });
      }
      if (!new RegExp(RELATION_NAME).test(relation)) {
        const message = `relation '${relation}' of type '${type}' does not match naming rule: '${RELATION_NAME}'.`;
        found.push({ kind: "invalid-name", message, ...where });
      }
    }
  }
  return found;
}

function wrongReferences(model: AuthorizationModel, place: Place): Finding[] {
  return leavesOf(place.definition.rewrite).flatMap((leaf) => {
    switch (leaf.kind) {
      case "direct":
        return wrongRestrictions(model, place);
      case "computed":
        return relationIn(model, place.type, leaf.relation) === undefined
          ? [missingRelation(place, leaf.relation)]
          : [];
      case "tuple_to_userset":
        return wrongFrom(model, place, leaf);
      default:
        return [];
    }
  });
}

function missingRelation({ type, relation }: Place, symbol: string): Finding {
  const message = `the relation \`${symbol}\` does not exist.`;
  return { kind: "missing-definition", message, symbol, type, relation, at: "rewrite" };
}

function wrongRestrictions(model: AuthorizationModel, place: Place): Finding[] {
  const { type, relation, definition } = place;
  const where = { type, relation } as const;
  if (definition.directTypes.length === 0) {
    const message = `assignable relation '${relation}' must have types`;
    const kind = "assignable-relation-must-have-type";
    return [{ kind, message, symbol: relation, ...where, at: "relation" }];
  }
  return definition.directTypes.flatMap((restriction) => {
    const found: Finding[] = [];
    const { type: of, relation: userset, wildcard, condition } = restriction;
    if (!Object.hasOwn(model.types, of)) {
      const message = `\`${of}\` is not a valid type.`;
      found.push({ kind: "invalid-type", message, symbol: of, ...where, at: "restriction" });
    }
    if (condition !== undefined && !Object.hasOwn(model.conditions, condition)) {
      const message = `\`${condition}\` is not a defined condition in the model.`;
      const kind = "condition-not-defined";
      found.push({ kind, message, symbol: condition, ...where, at: "with" });
    }
    const symbol = nameOf(restriction);
    if (wildcard && userset !== undefined) {
      const message = `type restriction \`${symbol}\` cannot contain both wildcard and relation`;
      const kind = "type-wildcard-relation";
      found.push({ kind, message, symbol, ...where, at: "restriction" });
    } else if (userset !== undefined && relationIn(model, of, userset) === undefined) {
      const message = `\`${userset}\` is not a valid relation for \`${of}\`.`;
      const kind = "invalid-relation-type";
      found.push({ kind, message, symbol: `${of}#${userset}`, ...where, at: "restriction" });
    }
    return found;
  });
}

/** `relation from tupleset`: the tupleset is direct, of plain objects, and one of their types has the relation. */
function wrongFrom(
  model: AuthorizationModel,
  { type, relation }: Place,
  leaf: Extract<Rewrite, { kind: "tuple_to_userset" }>,
): Finding[] {
  const words = `${leaf.relation} from ${leaf.tupleset}`;
  const where = { type, relation } as const;
  const tupleset = relationIn(model, type, leaf.tupleset);
  if (tupleset === undefined) {
    const message = `\`${leaf.tupleset}\` is not a valid relation for \`${type}\`.`;
    const kind = "invalid-relation-type";
    return [{ kind, message, symbol: words, ...where, at: "rewrite" }];
  }
  const notDirect: Finding = {
    kind: "tupleuserset-not-direct",
    message: `\`${leaf.tupleset}\` relation used inside from allows only direct relation.`,
    symbol: leaf.tupleset,
    ...where,
    at: "from",
  };
  const { directTypes } = tupleset;
  if (tupleset.rewrite.kind !== "direct" || directTypes.length === 0) return [notDirect];
  const others = directTypes.filter((of) => of.wildcard || of.relation !== undefined);
  const without = directTypes.filter(
    (of) => !others.includes(of) && relationIn(model, of.type, leaf.relation) === undefined,
  );
  const found: Finding[] = others.map(() => notDirect);
  if (without.length < directTypes.length) return found;
  for (const of of without) {
    const message = `the \`${leaf.relation}\` relation definition on type \`${type}\` is not valid: \`${leaf.relation}\` does not exist on \`${leaf.tupleset}\`, which is of type \`${of.type}\`.`;
    const kind = "invalid-relation-on-tupleset";
    found.push({ kind, message, symbol: words, ...where, at: "rewrite" });
  }
  return found;
}

function duplicates(_model: AuthorizationModel, { type, relation, definition }: Place): Finding[] {
  const kind = "duplicated-error";
  const restrictions = repeated(definition.directTypes.map(nameOf)).map(
    (symbol): Finding => ({
      kind,
      message: `the type restriction \`${symbol}\` is a duplicate in the relation \`${relation}\`.`,
      symbol,
      type,
      relation,
      at: "restriction",
    }),
  );
  const parts = repeated(partsOf(definition.rewrite)).map(
    (symbol): Finding => ({
      kind,
      message: `the partial relation definition \`${symbol}\` is a duplicate in the relation \`${relation}\`.`,
      symbol,
      type,
      relation,
      at: "rewrite",
    }),
  );
  return [...restrictions, ...parts];
}

/** The names right below a union, an intersection or an exclusion. */
function partsOf(rewrite: Rewrite): string[] {
  const children =
    rewrite.kind === "exclusion"
      ? [rewrite.base, rewrite.subtract]
      : rewrite.kind === "union" || rewrite.kind === "intersection"
        ? rewrite.children
        : [];
  return children.flatMap((child) => {
    if (child.kind === "computed") return [child.relation];
    return child.kind === "tuple_to_userset" ? [`${child.relation} from ${child.tupleset}`] : [];
  });
}

function repeated(names: readonly string[]): string[] {
  return names.filter((name, i) => names.indexOf(name) < i);
}

function impossibleRelations(model: AuthorizationModel, place: Place): Finding[] {
  const { type, relation } = place;
  const key = `${type}#${relation}`;
  const { circular, contradictory } = circlesOf(model);
  if (!contradictory.has(key) && entriesOf(model).has(key)) return [];
  const why = circular.has(key) ? "potential loop" : "no entrypoint";
  const message = `\`${relation}\` is an impossible relation for \`${type}\` (${why}).`;
  const kind = "relation-no-entry-point";
  return [{ kind, message, symbol: relation, type, relation, at: "relation" }];
}

interface Circles {
  /** From here a path of computed relations leads into a circle. */
  readonly circular: ReadonlySet<string>;
  /** On a circle that goes through what a "but not" takes away: it would have to be true where it is false. */
  readonly contradictory: ReadonlySet<string>;
}

const circles = new WeakMap<AuthorizationModel, Circles>();

function circlesOf(model: AuthorizationModel): Circles {
  const known = circles.get(model);
  if (known !== undefined) return known;
  const made = new Map<string, readonly string[]>();
  const usedBy = new Map<string, string[]>();
  const taken: (readonly [string, string])[] = [];
  for (const { type, relation, definition } of eachRelation(model)) {
    const key = `${type}#${relation}`;
    const inputs = computedIn(type, leavesOf(definition.rewrite));
    made.set(key, inputs);
    for (const input of inputs) {
      const users = usedBy.get(input) ?? [];
      usedBy.set(input, users);
      users.push(key);
    }
    for (const one of computedIn(type, subtractedIn(definition.rewrite))) taken.push([key, one]);
  }
  const circular = leadingIntoCircles(made, usedBy);
  const contradictory = new Set<string>();
  for (const [from, to] of taken) {
    if (!circular.has(from) || !circular.has(to)) continue;
    const after = reachable(to, made);
    if (!after.has(from)) continue;
    for (const key of reachable(from, usedBy)) if (after.has(key)) contradictory.add(key);
  }
  const found = { circular, contradictory };
  circles.set(model, found);
  return found;
}

/** Whatever is made of nothing circular is not circular; what stays is. */
function leadingIntoCircles(
  made: ReadonlyMap<string, readonly string[]>,
  usedBy: ReadonlyMap<string, readonly string[]>,
): ReadonlySet<string> {
  const left = new Set(made.keys());
  const open = new Map([...made].map(([key, inputs]) => [key, inputs.length]));
  const ready = [...left].filter((key) => open.get(key) === 0);
  for (let key = ready.pop(); key !== undefined; key = ready.pop()) {
    left.delete(key);
    for (const user of usedBy.get(key) ?? []) {
      const still = open.get(user)! - 1;
      open.set(user, still);
      if (still === 0) ready.push(user);
    }
  }
  return left;
}

/** Where the edges lead from here, itself included. */
function reachable(from: string, edges: ReadonlyMap<string, readonly string[]>): Set<string> {
  const found = new Set([from]);
  const pending = [from];
  for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
    for (const next of edges.get(key) ?? []) {
      if (found.has(next)) continue;
      found.add(next);
      pending.push(next);
    }
  }
  return found;
}

function computedIn(type: string, leaves: readonly Rewrite[]): string[] {
  return leaves.flatMap((leaf) => (leaf.kind === "computed" ? [`${type}#${leaf.relation}`] : []));
}

/** The leaves under what exclusions take away. */
function subtractedIn(rewrite: Rewrite): Rewrite[] {
  switch (rewrite.kind) {
    case "union":
    case "intersection":
      return rewrite.children.flatMap(subtractedIn);
    case "exclusion":
      return [...subtractedIn(rewrite.base), ...leavesOf(rewrite.subtract)];
    default:
      return [];
  }
}

const entries = new WeakMap<AuthorizationModel, ReadonlySet<string>>();

/** All relations that a stored tuple can lead to: the least fixed point over the whole model. */
function entriesOf(model: AuthorizationModel): ReadonlySet<string> {
  const known = entries.get(model);
  if (known !== undefined) return known;
  const found = new Set<string>();
  const all = new Map([...eachRelation(model)].map((one) => [`${one.type}#${one.relation}`, one]));
  const order = dependenciesFirst([...all.values()], (one) =>
    inputsIn(model, one).flatMap((key) => all.get(key) ?? []),
  );
  for (let size = -1; size < found.size; ) {
    size = found.size;
    for (const one of order) {
      if (!hasEntry(model, one, one.definition.rewrite, found)) continue;
      found.add(`${one.type}#${one.relation}`);
    }
  }
  entries.set(model, found);
  return found;
}

/** The relations that an entry may come from. */
function inputsIn(model: AuthorizationModel, { type, definition }: Place): string[] {
  return leavesOf(definition.rewrite).flatMap((leaf) => {
    switch (leaf.kind) {
      case "direct":
        return definition.directTypes.map((of) => `${of.type}#${of.relation}`);
      case "computed":
        return [`${type}#${leaf.relation}`];
      case "tuple_to_userset": {
        const parents = relationIn(model, type, leaf.tupleset)?.directTypes ?? [];
        return parents.map((of) => `${of.type}#${leaf.relation}`);
      }
      default:
        return [];
    }
  });
}

function hasEntry(
  model: AuthorizationModel,
  place: Place,
  rewrite: Rewrite,
  found: ReadonlySet<string>,
): boolean {
  switch (rewrite.kind) {
    case "direct":
      return place.definition.directTypes.some(
        ({ type, relation }) => relation === undefined || found.has(`${type}#${relation}`),
      );
    case "computed":
      return found.has(`${place.type}#${rewrite.relation}`);
    case "tuple_to_userset": {
      const tupleset = relationIn(model, place.type, rewrite.tupleset);
      return (tupleset?.directTypes ?? []).some(({ type }) =>
        found.has(`${type}#${rewrite.relation}`),
      );
    }
    case "union":
      return rewrite.children.some((child) => hasEntry(model, place, child, found));
    case "intersection":
      return rewrite.children.every((child) => hasEntry(model, place, child, found));
    case "exclusion":
      return hasEntry(model, place, rewrite.base, found);
  }
}

function unusedConditions(model: AuthorizationModel): Finding[] {
  const used = new Set<string | undefined>();
  for (const { definition } of eachRelation(model)) {
    for (const { condition } of definition.directTypes) used.add(condition);
  }
  return Object.keys(model.conditions)
    .filter((condition) => !used.has(condition))
    .map((condition) => ({
      kind: "condition-not-used",
      message: `\`${condition}\` condition is not used in the model.`,
      symbol: condition,
      condition,
      at: "condition",
    }));
}

function leavesOf(rewrite: Rewrite): Rewrite[] {
  switch (rewrite.kind) {
    case "union":
    case "intersection":
      return rewrite.children.flatMap(leavesOf);
    case "exclusion":
      return [...leavesOf(rewrite.base), ...leavesOf(rewrite.subtract)];
    default:
      return [rewrite];
  }
}

function relationIn(
  model: AuthorizationModel,
  type: string,
  relation: string,
): RelationDefinition | undefined {
  const definition = Object.hasOwn(model.types, type) ? model.types[type] : undefined;
  if (definition === undefined || !Object.hasOwn(definition.relations, relation)) return undefined;
  return definition.relations[relation];
}

/** `user`, `user:*`, `group#member`, each perhaps ` with condition`. */
export function nameOf({ type, relation, wildcard, condition }: TypeRestriction): string {
  const subject = wildcard ? `${type}:*` : relation === undefined ? type : `${type}#${relation}`;
  return condition === undefined ? subject : `${subject} with ${condition}`;
}
