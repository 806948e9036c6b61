/**
 * Whose answers a model would change, if it were active instead of the one that is: from assertions, and from a sample of the stored
 * tuples (`dry-run-questions.ts`). The sample is taken all over the vault, since paths are hashes: the same each time for one state.
 */
import type { CompiledModel, ModelAssertion } from "@authledger/authz";
import { decodeRecord, isLive, Kind, NONCE_BYTES, PATH_BYTES, tupleOfKey } from "@authledger/proof";
import type { StateView } from "@authledger/state";
import { formatTuple, LedgerError, type Tuple } from "@authledger/types";
import {
  DRY_RUN_ANSWERS_MAX,
  DRY_RUN_CHECKS_MAX,
  DRY_RUN_PLACES,
  DRY_RUN_ROWS_PER_PLACE,
} from "../limits.js";
import { type Answer, CostBudget, tupleOf } from "./assertions.js";
import type { ChangedAnswer, DryRun } from "./authorization-calls.js";
import { dryRunQuestions, type Question } from "./dry-run-questions.js";
import { StateTupleReader } from "./state-tuple-reader.js";
import { requireTupleAllowed } from "./tuple-rules.js";

interface Moment {
  readonly view: StateView;
  readonly timeMs: number;
}

/** @param before undefined: there is no active model, and every stored tuple is its own answer */
export function dryRun(
  moment: Moment,
  before: CompiledModel | undefined,
  after: CompiledModel,
  assertions: readonly ModelAssertion[],
): Omit<DryRun, "active"> {
  const sample = sampleOf(moment);
  const budgets = [new CostBudget(), new CostBudget()] as const;
  const seen = new Set<string>();
  const changed: ChangedAnswer[] = [];
  let compared = 0;
  const isOver = (): boolean =>
    compared >= DRY_RUN_CHECKS_MAX || budgets.some((budget) => budget.isSpent);
  const compare = (question: Question, isAsserted: boolean): void => {
    const id = JSON.stringify(question);
    if (seen.has(id) || isOver()) return;
    seen.add(id);
    compared++;
    const was = before ? budgets[0].answer(moment, before, question) : isStored(moment, question);
    const is = budgets[1].answer(moment, after, question);
    const change = changeOf(tupleOf(question), was, is, isAsserted);
    if (change !== undefined && changed.length < DRY_RUN_ANSWERS_MAX) changed.push(change);
  };
  for (const { expected: _, ...question } of assertions) compare(question, true);
  const models = before ? [before, after] : [after];
  const tuples = new StateTupleReader(moment.view, moment.timeMs);
  const stored = sample.map(({ tuple }) => tuple);
  for (const question of dryRunQuestions(stored, models, tuples)) {
    if (isOver()) break;
    compare(question, false);
  }
  const unallowed = sample.filter(({ tuple, value }) => !isAllowed(after, tuple, value));
  changed.sort(inReadingOrder);
  return { changed, compared, unallowed: unallowed.map(({ tuple }) => tuple) };
}

/** What was asserted comes first; the sample's order is that of hashes. */
function inReadingOrder(a: ChangedAnswer, b: ChangedAnswer): number {
  if (a.isAsserted !== b.isAsserted) return a.isAsserted ? -1 : 1;
  return formatTuple(a.tuple) < formatTuple(b.tuple) ? -1 : 1;
}

function isStored({ view, timeMs }: Moment, { object, relation, subject }: Question): Answer {
  const found = new StateTupleReader(view, timeMs).find(object, relation, subject);
  return { allowed: found !== undefined };
}

function isAllowed(model: CompiledModel, tuple: Tuple, value: Uint8Array | undefined): boolean {
  try {
    requireTupleAllowed(model, tuple, value, "tuple");
    return true;
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

interface SampledTuple {
  readonly tuple: Tuple;
  readonly value: Uint8Array | undefined;
}

function sampleOf({ view, timeMs }: Moment): readonly SampledTuple[] {
  const found = new Map<string, SampledTuple>();
  const cursor = view.leafCursor();
  for (let place = 0; place < DRY_RUN_PLACES; place++) {
    const from = new Uint8Array(PATH_BYTES);
    from[0] = Math.floor((place * 256) / DRY_RUN_PLACES);
    let ok = cursor.seek(from);
    for (let row = 0; ok && row < DRY_RUN_ROWS_PER_PLACE; row++) {
      const record = cursor.record && decodeRecord(cursor.record);
      if (record?.key.kind === Kind.tupleByResource && isLive(record, timeMs)) {
        const value = record.value && view.value(cursor.path)?.slice(NONCE_BYTES);
        const tuple = tupleOfKey(record.key);
        found.set(formatTuple(tuple), { tuple, value });
      }
      ok = cursor.next();
    }
  }
  return [...found.values()];
}

function changeOf(
  tuple: Tuple,
  was: Answer,
  is: Answer,
  isAsserted: boolean,
): ChangedAnswer | undefined {
  const before = "allowed" in was ? was.allowed : undefined;
  const after = "allowed" in is ? is.allowed : undefined;
  if (before === after) return undefined;
  const reason = "problem" in is ? is.problem : "problem" in was ? was.problem : undefined;
  return {
    tuple,
    isAsserted,
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
    ...(reason !== undefined && { reason }),
  };
}
