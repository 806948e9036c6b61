/**
 * Which subjects have a relation to an object? All of one kind after another, each kind in code unit order.
 *
 *   INV-EVAL-8  A subject is in the list if its check is true and it does not qualify through the wildcard of its type
 *               alone; that wildcard is in the list if its own check is true.
 *
 * The whole set is made for each page: sets under exclusions and intersections are not known in part.
 */
import { decodeUtf8, LedgerError, utf8 } from "@authledger/types";
import type { CompiledModel } from "../model/compiled-model.js";
import { Budget } from "./budget.js";
import { invalidCursor } from "./cursor.js";
import {
  DEFAULT_LIMITS,
  type ListUsersAnswer,
  type ListUsersQuestion,
  type World,
} from "./decision.js";
import {
  requireType,
  resolveObject,
  resolveRelation,
  withContextualTuples,
} from "./resolve-question.js";
import { isUndecided, TRUE } from "./truth.js";
import { UserEvaluation, type UserFilter } from "./user-evaluation.js";
import type { UserSet } from "./user-set.js";

/** Kinds of subjects that one question may ask for. */
export const USER_FILTERS_MAX = 32;

/**
 * @example
 * listUsers(world, { object: "document:1", relation: "viewer", filters: ["user"], limit: 100 }).users
 * @throws LedgerError as `check`: a subject that cannot be decided leaves the list unknown; INVALID_ARGUMENT
 */
export function listUsers(world: World, question: ListUsersQuestion): ListUsersAnswer {
  const { object, limit } = question;
  const relation = resolveObject(world.model, object, question.relation);
  const filters = filtersOf(world.model, question.filters);
  const asked = withContextualTuples(world, question.contextualTuples);
  const budget = new Budget(question.limits ?? DEFAULT_LIMITS);
  const from = readCursor(question.cursor);
  const users: string[] = [];
  let last = from;
  for (let i = from.filter; i < filters.length; i++) {
    const options = { context: question.context, budget };
    const evaluation = new UserEvaluation(asked, filters[i]!, options);
    const set = evaluation.evaluate(relation, object);
    for (const user of shownOf(set, filters[i]!, evaluation)) {
      if (i === from.filter && user <= from.after) continue;
      if (users.length === limit) {
        return { users, complete: false, next: cursorOf(last), cost: budget.spent };
      }
      users.push(user);
      last = { filter: i, after: user };
    }
  }
  return { users, complete: true, cost: budget.spent };
}

/** Who of a set is shown, sorted. @throws LedgerError where somebody is undecided */
function shownOf(set: UserSet, { type, relation }: UserFilter, evaluation: UserEvaluation) {
  if (isUndecided(set.rest)) throw evaluation.failure!();
  const shown = set.rest === TRUE && relation === undefined ? [`${type}:*`] : [];
  for (const { subject, truth, isOwn } of set.members()) {
    if (isUndecided(truth)) throw evaluation.failure!();
    if (truth === TRUE && (isOwn || set.rest !== TRUE)) shown.push(subject);
  }
  return shown.sort();
}

function filtersOf(model: CompiledModel, filters: readonly string[]): readonly UserFilter[] {
  if (filters.length === 0 || filters.length > USER_FILTERS_MAX) {
    const message = `${filters.length} filters; name 1 to ${USER_FILTERS_MAX} kinds of subjects, such as "user" or "group#member"`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "filters" } });
  }
  return [...new Set(filters)].map((kind) => filterOf(model, kind));
}

/** @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND */
function filterOf(model: CompiledModel, kind: string): UserFilter {
  const hash = kind.indexOf("#");
  if (hash < 0) {
    requireType(model, kind);
    return { kind, type: kind, relation: undefined };
  }
  const { type, name } = resolveRelation(model, kind.slice(0, hash), kind.slice(hash + 1));
  return { kind, type, relation: name };
}

/** Where a page ended. */
interface Place {
  readonly filter: number;
  /** Subjects behind this one. */
  readonly after: string;
}

function cursorOf({ filter, after }: Place): Uint8Array {
  return Uint8Array.of(filter, ...utf8(after));
}

function readCursor(cursor: Uint8Array | undefined): Place {
  if (cursor === undefined) return { filter: 0, after: "" };
  const [filter] = cursor;
  if (filter === undefined || filter >= USER_FILTERS_MAX) throw invalidCursor();
  const after = decodeUtf8(cursor.subarray(1));
  if (after === undefined) throw invalidCursor();
  return { filter, after };
}
