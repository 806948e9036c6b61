/**
 * Why a decision came out as it did: the check's own recursion, with a recorder that keeps what decided. Of what is true the
 * winning path stays, of what is false every reason.
 *
 *   INV-EVAL-6  An explanation's answer, cost and errors are those of the check.
 */
import { formatTuple } from "@authledger/types";
import type {
  CheckQuestion,
  ExplainAnswer,
  ExplainedTuple,
  Explanation,
  World,
} from "./decision.js";
import { Evaluation } from "./evaluation.js";
import { reasonOf } from "./explain-reason.js";
import { resolveObject, resolveSubject, withContextualTuples } from "./resolve-question.js";
import type { StepKind, Trace } from "./trace.js";
import { CYCLE, FALSE, TRUE, type Truth } from "./truth.js";
import type { RelationTuple } from "./tuple-reader.js";

/** Steps and tuples that an explanation shows; how many more there were it says. */
export const EXPLANATION_PARTS_MAX = 2_000;

/**
 * @example explain({ model, tuples }, { object: "document:1", relation: "viewer", subject: "user:eve" }).tree.reason
 * @throws LedgerError as `check`
 */
export function explain(world: World, question: CheckQuestion): ExplainAnswer {
  const { object, relation: name, subject: text } = question;
  const relation = resolveObject(world.model, object, name);
  const subject = resolveSubject(world.model, text);
  const asked = withContextualTuples(world, question.contextualTuples);
  const trace = new TreeRecorder(text);
  const evaluation = new Evaluation(asked, subject, { ...question, trace });
  const allowed = evaluation.decide(relation, object);
  return {
    allowed,
    cost: evaluation.budget.spent,
    question: formatTuple({ resource: object, relation: name, subject: text }),
    tree: trace.tree!,
  };
}

/** A step that is under way. */
interface OpenStep {
  kind: StepKind;
  readonly object: string;
  readonly relation: string;
  readonly costBefore: number;
  children: Explanation[];
  tuples: ExplainedTuple[];
  /** Of `children` and `tuples` with all below them. */
  parts: number;
  omitted: number;
}

class TreeRecorder implements Trace {
  tree: Explanation | undefined;
  readonly #subject: string;
  readonly #open: OpenStep[] = [];
  #parts = 0;

  constructor(subject: string) {
    this.#subject = subject;
  }

  enter(kind: StepKind, object: string, relation: string, costBefore: number): void {
    const nothing = { children: [], tuples: [], parts: 0, omitted: 0 };
    this.#open.push({ kind, object, relation, costBefore, ...nothing });
  }

  is(kind: StepKind): void {
    this.#open.at(-1)!.kind = kind;
  }

  tuple(tuple: RelationTuple, truth: Truth): void {
    const step = this.#open.at(-1)!;
    // A direct tuple that is true is the end of the winning path.
    const isWinning = step.kind === "direct" && truth === TRUE;
    if (!isWinning && !this.#hasRoom(step)) return;
    step.tuples.push({ tuple, outcome: tupleOutcome(truth) });
  }

  leave(truth: Truth, cost: number): void {
    const step = this.#open.pop()!;
    const outcome = outcomeOf(truth);
    if (truth === TRUE && isAnyOf(step.kind)) this.#keepWinning(step);
    const { kind, object, relation, children, tuples } = step;
    const reason = reasonOf(step, outcome, this.#subject);
    const shown = { kind, object, relation, outcome, reason, tuples, children };
    const explanation = { ...shown, cost: cost - step.costBefore };
    const parent = this.#open.at(-1);
    if (parent === undefined) this.tree = explanation;
    else this.#addTo(parent, explanation, step.parts);
  }

  #addTo(parent: OpenStep, child: Explanation, partsBelow: number): void {
    // What is true is the winning path so far: it is shown, whatever else had to be left out.
    if (child.outcome !== "true" && !this.#hasRoom(parent)) {
      this.#parts -= partsBelow;
      return;
    }
    parent.children.push(child);
    parent.parts += partsBelow;
  }

  #hasRoom(step: OpenStep): boolean {
    if (this.#parts >= EXPLANATION_PARTS_MAX) {
      step.omitted++;
      return false;
    }
    this.#parts++;
    step.parts++;
    return true;
  }

  /** One branch that is true decides: what was tried before it explains nothing. */
  #keepWinning(step: OpenStep): void {
    const winner = step.children.filter(({ outcome }) => outcome === "true").at(-1);
    const tuples = step.tuples.filter(
      ({ outcome, tuple }) => outcome === "true" && (!winner || leadsTo(tuple, winner)),
    );
    step.children = winner === undefined ? [] : [winner];
    step.tuples = tuples.slice(-1);
    step.omitted = 0;
  }
}

/** Does a tuple name the userset, or the object above, that was evaluated then? */
function leadsTo({ subject }: RelationTuple, { object, relation }: Explanation): boolean {
  return subject === object || subject === `${object}#${relation}`;
}

function isAnyOf(kind: StepKind): boolean {
  return kind !== "intersection" && kind !== "exclusion";
}

function outcomeOf(truth: Truth): Explanation["outcome"] {
  if (truth === TRUE) return "true";
  if (truth === FALSE) return "false";
  return truth === CYCLE ? "cycle" : "undecided";
}

function tupleOutcome(truth: Truth): ExplainedTuple["outcome"] {
  if (truth === TRUE) return "true";
  return truth === FALSE ? "false" : "undecided";
}
