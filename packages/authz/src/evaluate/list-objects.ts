/**
 * Which objects has a subject a relation to? By a walk backwards from the subject; what lies behind an intersection, an
 * exclusion or an undecided condition is checked (authz.md, 7).
 *
 *   INV-EVAL-10  An object is in the list, on exactly one of its pages, if its check is true and it is met; every object
 *                whose check is true is met. `complete` says that no page follows.
 *
 * A page ends when it is full or when its budget is spent. Each check of a candidate has a budget of its own, as if it had
 * been asked by itself.
 */
import { ByteReader, LedgerError } from "@authledger/types";
import { Budget } from "./budget.js";
import { invalidCursor } from "./cursor.js";
import {
  DEFAULT_LIMITS,
  type ListObjectsAnswer,
  type ListObjectsQuestion,
  type World,
} from "./decision.js";
import { Evaluation } from "./evaluation.js";
import { ObjectWalk, type WalkPlace } from "./object-walk.js";
import { resolveRelation, resolveSubject, withContextualTuples } from "./resolve-question.js";

/**
 * @example
 * listObjects(world, { type: "document", relation: "viewer", subject: "user:anne", limit: 100 }).objects
 * @throws LedgerError as `check`, where an object that is met cannot be decided; INVALID_ARGUMENT for a cursor
 */
export function listObjects(world: World, question: ListObjectsQuestion): ListObjectsAnswer {
  const { model } = world;
  const target = resolveRelation(model, question.type, question.relation);
  const subject = resolveSubject(model, question.subject);
  const asked = withContextualTuples(world, question.contextualTuples);
  const limits = question.limits ?? DEFAULT_LIMITS;
  const { context, limit } = question;
  const walking = new Budget({ ...limits, cost: Number.POSITIVE_INFINITY });
  const checking = new Budget(limits);
  const from = question.cursor === undefined ? undefined : readCursor(question.cursor);
  const walk = new ObjectWalk(asked, target, { budget: walking, context, from });
  const evaluation = new Evaluation(asked, subject, { context, budget: checking });
  const objects: string[] = [];
  let checks = 0;
  let last: WalkPlace | undefined;
  const isFull = () => objects.length >= limit || walking.spent + checks >= limits.cost;
  for (const step of walk.steps(subject)) {
    if (last !== undefined && isFull()) {
      const next = cursorOf(last);
      return { objects, complete: false, next, cost: walking.spent + checks };
    }
    if (step.isReplay && 2 * walking.spent >= limits.cost) throw spentOnReplay(limits.cost);
    if (step.object !== undefined) {
      checking.spent = 0;
      const isAnswer = !step.isCandidate || evaluation.decide(target, step.object);
      checks += checking.spent;
      if (isAnswer) objects.push(step.object);
    }
    if (!step.isReplay) last = step;
  }
  return { objects, complete: true, cost: walking.spent + checks };
}

/** More than half of every further page would go into finding the way back, and no more than a little into answers. */
function spentOnReplay(limit: number): LedgerError {
  const message = `the subject is in so many groups that finding them again for each page takes too much of its ${limit} reads`;
  return new LedgerError("EVALUATION_TOO_COMPLEX", message, { details: { limit } });
}

const CURSOR_VERSION = 1;

function cursorOf({ entry, position }: WalkPlace): Uint8Array {
  const head = [
    CURSOR_VERSION,
    entry >>> 24,
    (entry >>> 16) & 255,
    (entry >>> 8) & 255,
    entry & 255,
  ];
  return Uint8Array.of(...head, ...(position ?? []));
}

function readCursor(cursor: Uint8Array): WalkPlace {
  if (cursor.length < 5 || cursor[0] !== CURSOR_VERSION) throw invalidCursor();
  const entry = new ByteReader(cursor.subarray(1, 5), "cursor").u32("entry");
  return { entry, position: cursor.length === 5 ? undefined : cursor.subarray(5) };
}
