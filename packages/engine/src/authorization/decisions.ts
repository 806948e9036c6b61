/**
 * Decisions over the states of vaults. A question runs to its end between two batches, as every read.
 *
 *   INV-ACTIVE-5  A kept result is given again only for the state it was found in: the same vault, height and model, and
 *                 before the first of the tuples it read expires.
 */
import { type CheckQuestion, check, listRelations } from "@authledger/authz";
import { LedgerError, type Tuple } from "@authledger/types";
import {
  DECISION_COST_MAX,
  DECISION_DEPTH_MAX,
  DECISION_RESULT_COST_MIN,
  DECISIONS_COST_MAX,
} from "../limits.js";
import type { Seen } from "../listings.js";
import type { EngineReply, EngineRequest } from "../port.js";
import type { DecidingModel } from "./active-models.js";
import { DecisionResults } from "./decision-results.js";
import { type Brought, broughtBy, type DecisionDeps, worldOf } from "./decision-world.js";
import { StateTupleReader } from "./state-tuple-reader.js";

interface Decided {
  readonly allowed: boolean;
  readonly cost: number;
}

/** A question of a call, and what it may cost. */
interface Asked {
  readonly tuple: Tuple;
  readonly model: DecidingModel | undefined;
  readonly cost: number;
}

export class Decisions {
  readonly #deps: DecisionDeps;
  readonly #results: DecisionResults;

  constructor(deps: DecisionDeps, results: DecisionResults = new DecisionResults()) {
    this.#deps = deps;
    this.#results = results;
  }

  /** The state is another one, of the same heights: nothing that is kept is about it. */
  forget(): void {
    this.#results.clear();
  }

  authorize(request: EngineRequest<"authorize">): EngineReply<"authorize"> {
    const seen = this.#deps.see(request.vault, request.consistency);
    const model = this.#deps.models.of(seen.view);
    const brought = broughtBy(request);
    const isPlain = brought.context === undefined && brought.contextualTuples === undefined;
    let spent = 0;
    const decideOne = (tuple: Tuple): boolean => {
      const left = Math.max(1, DECISIONS_COST_MAX - spent);
      const asked = { tuple, model, cost: Math.min(DECISION_COST_MAX, left) };
      const { allowed, cost } = isPlain
        ? this.#plain(seen, asked)
        : decide(new StateTupleReader(seen.view, seen.timeMs), asked, brought);
      spent += cost;
      return allowed;
    };
    const { tuples } = request;
    const allowed =
      tuples.length === 1 ? [decideOne(tuples[0]!)] : tuples.map(namingItem(decideOne));
    return { allowed, at: seen.at, modelVersion: model?.version ?? 0, cost: spent };
  }

  listRelations(request: EngineRequest<"list_relations">): EngineReply<"list_relations"> {
    const { world, at, modelVersion } = worldOf(this.#deps, request);
    const { object, subject, relations } = request;
    const asked = { object, subject, ...(relations && { relations }) };
    const limits = { depth: DECISION_DEPTH_MAX, cost: DECISIONS_COST_MAX };
    const found = listRelations(world, { ...asked, ...broughtBy(request), limits });
    return { relations: found.relations, at, modelVersion, cost: found.cost };
  }

  /** A question that brings nothing along: its answer is that of the state. */
  #plain({ view, timeMs, at }: Seen, asked: Asked): Decided {
    const { tuple, model } = asked;
    const place = { vault: view.id, height: at.height, model: model?.hash ?? "" };
    const kept = this.#results.get(place, tuple, timeMs);
    if (kept !== undefined) return kept;
    const reader = new StateTupleReader(view, timeMs);
    const found = decide(reader, asked, {});
    if (found.cost >= DECISION_RESULT_COST_MIN) {
      this.#results.set(place, tuple, {
        ...found,
        fromMs: timeMs,
        untilMs: reader.expiresFirstMs,
      });
    }
    return found;
  }
}

function decide(tuples: StateTupleReader, asked: Asked, brought: Brought): Decided {
  const { tuple, model, cost } = asked;
  const { resource: object, relation, subject } = tuple;
  const question = { object, relation, subject };
  if (model === undefined) return { allowed: isStored(tuples, question, brought), cost: 1 };
  const limits = { depth: DECISION_DEPTH_MAX, cost };
  return check({ model: model.compiled, tuples }, { ...question, ...brought, limits });
}

/** Without a model a check is answered by the stored tuple, or by one that came with the question. */
function isStored(
  tuples: StateTupleReader,
  { object, relation, subject }: Pick<CheckQuestion, "object" | "relation" | "subject">,
  { contextualTuples = [] }: Brought,
): boolean {
  const given = contextualTuples.find(
    (tuple) => tuple.object === object && tuple.relation === relation && tuple.subject === subject,
  );
  const found = given ?? tuples.find(object, relation, subject);
  if (found?.condition === undefined) return found !== undefined;
  const message = `the tuple carries the condition ${found.condition.name}, which only a model defines`;
  throw new LedgerError("NO_ACTIVE_MODEL", message);
}

/** An error of a batch names its question. */
function namingItem<R>(ask: (tuple: Tuple) => R): (tuple: Tuple, index: number) => R {
  return (tuple, index) => {
    try {
      return ask(tuple);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      const { code, message, details } = error;
      throw new LedgerError(code, `tuples[${index}]: ${message}`, {
        details: { ...details, field: `tuples[${index}]` },
        cause: error,
      });
    }
  };
}
