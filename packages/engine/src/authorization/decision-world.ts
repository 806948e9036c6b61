/** What a question sees: a state of its vault, the model that is active in it, and what the question brings along. */
import type { CheckQuestion, EvaluationLimits, Trial, World } from "@authledger/authz";
import type { GroupState, StateView } from "@authledger/state";
import type { Consistency } from "@authledger/types";
import { DECISION_COST_MAX, DECISION_DEPTH_MAX, DECISIONS_COST_MAX } from "../limits.js";
import type { Seen } from "../listings.js";
import { momentAt } from "../past-moment.js";
import type { ActiveModels } from "./active-models.js";
import type { DecisionQuestion } from "./authorization-calls.js";
import type { DecisionPosition } from "./decision-position.js";
import { StateTupleReader } from "./state-tuple-reader.js";

export interface DecisionDeps {
  readonly state: GroupState;
  readonly models: ActiveModels;
  /** @throws LedgerError as any read of the vault with this consistency */
  readonly see: (vault: number, consistency: Consistency) => Seen;
}

/** Of one question. */
export const DECISION_LIMITS: EvaluationLimits = {
  depth: DECISION_DEPTH_MAX,
  cost: DECISION_COST_MAX,
};

export type Brought = Pick<CheckQuestion, "context" | "contextualTuples">;

export interface SeenWorld extends Seen {
  readonly world: World;
  readonly modelVersion: number;
}

/** @throws LedgerError NO_ACTIVE_MODEL */
export function worldOf(
  deps: DecisionDeps,
  question: DecisionQuestion,
  position?: DecisionPosition,
): SeenWorld {
  const seen = seenBy(deps, question, position);
  const { version, compiled } = deps.models.require(seen.view);
  const tuples = new StateTupleReader(seen.view, seen.timeMs);
  return { ...seen, world: { model: compiled, tuples }, modelVersion: version };
}

/** A page after the first one is of the height and the time of the first one: a list is one state (INV-READ-2). */
function seenBy(
  { state, see }: DecisionDeps,
  { vault, consistency }: DecisionQuestion,
  position: DecisionPosition | undefined,
): Seen {
  const seen = see(vault, consistency);
  if (position === undefined) return seen;
  const { height, timeMs } = position;
  const { state: view } = momentAt(state.requireVault(vault), { height, timeMs });
  return { view, timeMs, at: { height, index: seen.at.index } };
}

export function broughtBy({ context, contextualTuples }: DecisionQuestion): Brought {
  return {
    ...(context && { context }),
    ...(contextualTuples && contextualTuples.length > 0 && { contextualTuples }),
  };
}

/** For what is asked of a model before it decides. */
export function trialOf(view: StateView, timeMs: number): Trial {
  return {
    tuples: () => new StateTupleReader(view, timeMs),
    limits: { depth: DECISION_DEPTH_MAX, cost: DECISIONS_COST_MAX },
  };
}
