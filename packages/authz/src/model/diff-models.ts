/**
 * What changes from one model to another, and what of it may break somebody: a question that was answered is refused,
 * a tuple that counted is ignored, or an answer may change. What only adds is not breaking.
 */
import { canonicalJson } from "../canonical-json.js";
import type {
  AuthorizationModel,
  ConditionDefinition,
  RelationDefinition,
  Rewrite,
} from "./model.js";
import { nameOf } from "./model-rules.js";

export interface ModelChange {
  readonly kind: "added" | "removed" | "changed";
  readonly what: "type" | "relation" | "restriction" | "rewrite" | "condition";
  /** `document`, `document#viewer`, or the name of a condition. */
  readonly subject: string;
  readonly breaking: boolean;
  /** In words, one sentence. */
  readonly message: string;
}

/** All changes, in the order of the names. */
export function diffModels(
  before: AuthorizationModel,
  after: AuthorizationModel,
): readonly ModelChange[] {
  return [
    ...names(before.types, after.types).flatMap((type) => diffType(type, before, after)),
    ...names(before.conditions, after.conditions).flatMap((name) =>
      diffCondition(name, entryOf(before.conditions, name), entryOf(after.conditions, name)),
    ),
  ];
}

function diffType(
  type: string,
  before: AuthorizationModel,
  after: AuthorizationModel,
): ModelChange[] {
  const old = entryOf(before.types, type);
  const now = entryOf(after.types, type);
  if (now === undefined) {
    const message = `Type ${type} is gone: its objects and subjects are refused, and tuples with them are ignored.`;
    return [{ kind: "removed", what: "type", subject: type, breaking: true, message }];
  }
  if (old === undefined) {
    const message = `Type ${type} is new.`;
    return [{ kind: "added", what: "type", subject: type, breaking: false, message }];
  }
  return names(old.relations, now.relations).flatMap((relation) =>
    diffRelation(
      `${type}#${relation}`,
      entryOf(old.relations, relation),
      entryOf(now.relations, relation),
    ),
  );
}

function diffRelation(
  name: string,
  old: RelationDefinition | undefined,
  now: RelationDefinition | undefined,
): ModelChange[] {
  if (now === undefined) {
    const message = `Relation ${name} is gone: questions about it are refused, and its tuples are ignored.`;
    return [{ kind: "removed", what: "relation", subject: name, breaking: true, message }];
  }
  if (old === undefined) {
    const message = `Relation ${name} is new.`;
    return [{ kind: "added", what: "relation", subject: name, breaking: false, message }];
  }
  const changes = diffRestrictions(name, old, now);
  if (meaningOf(old.rewrite) !== meaningOf(now.rewrite)) {
    const message = `Relation ${name} is computed in another way: answers about it may change.`;
    changes.push({ kind: "changed", what: "rewrite", subject: name, breaking: true, message });
  }
  return changes;
}

function diffRestrictions(
  name: string,
  old: RelationDefinition,
  now: RelationDefinition,
): ModelChange[] {
  const before = new Set(old.directTypes.map(nameOf));
  const after = new Set(now.directTypes.map(nameOf));
  const changes: ModelChange[] = [];
  for (const subject of [...before].filter((one) => !after.has(one)).sort()) {
    const message = `Relation ${name} no longer takes ${subject}: such tuples are ignored.`;
    changes.push({ kind: "removed", what: "restriction", subject: name, breaking: true, message });
  }
  for (const subject of [...after].filter((one) => !before.has(one)).sort()) {
    const message = `Relation ${name} takes ${subject} too.`;
    changes.push({ kind: "added", what: "restriction", subject: name, breaking: false, message });
  }
  return changes;
}

function diffCondition(
  name: string,
  old: ConditionDefinition | undefined,
  now: ConditionDefinition | undefined,
): ModelChange[] {
  const what = "condition";
  if (now === undefined) {
    const message = `Condition ${name} is gone: tuples that carry it are ignored.`;
    return [{ kind: "removed", what, subject: name, breaking: true, message }];
  }
  if (old === undefined) {
    const message = `Condition ${name} is new.`;
    return [{ kind: "added", what, subject: name, breaking: false, message }];
  }
  if (canonicalJson(old.parameters) !== canonicalJson(now.parameters)) {
    const message = `Condition ${name} has other parameters: questions may miss some or give the wrong type.`;
    return [{ kind: "changed", what, subject: name, breaking: true, message }];
  }
  if (old.expression === now.expression) return [];
  const message = `Condition ${name} says something else: answers that depend on it may change.`;
  return [{ kind: "changed", what, subject: name, breaking: true, message }];
}

/** Children of a union or an intersection may change places. */
function meaningOf(rewrite: Rewrite): string {
  switch (rewrite.kind) {
    case "union":
    case "intersection":
      return `${rewrite.kind}(${rewrite.children.map(meaningOf).sort().join()})`;
    case "exclusion":
      return `exclusion(${meaningOf(rewrite.base)},${meaningOf(rewrite.subtract)})`;
    default:
      return canonicalJson(rewrite);
  }
}

function names(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
}

function entryOf<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
