/** Proven decisions about a vault as it is, as it was at a height, or as the first page of a list saw it. */
import type { DecisionQuestion } from "@authledger/authz";
import type { GroupState } from "@authledger/state";
import { assert } from "@authledger/types";
import type { EngineReply, EngineRequest } from "../port.js";
import type { Reads } from "../reads.js";
import type { ActiveModels } from "./active-models.js";
import type { DecisionPoint, DecisionProof, ProveDecisionOptions } from "./authorization-calls.js";
import { decodeDecisionPosition, encodeDecisionPosition } from "./decision-position.js";
import { type DecidedWithValues, decideProvably } from "./decision-proofs.js";
import { broughtBy } from "./decision-world.js";

export interface ProvenDecisionsDeps {
  readonly state: GroupState;
  readonly models: ActiveModels;
  readonly prove: Reads["prove"];
}

type ProvenRequest = Pick<EngineRequest<"authorize">, "vault" | "consistency"> & {
  readonly prove?: ProveDecisionOptions;
};

type Reply<Q extends DecisionQuestion> = Pick<
  DecidedWithValues<Q>,
  "answer" | "height" | "timeMs"
> & { readonly point: DecisionPoint & { readonly proof: DecisionProof } };

export class ProvenDecisions {
  readonly #deps: ProvenDecisionsDeps;

  constructor(deps: ProvenDecisionsDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError as `Decisions.authorize`; LIMIT_EXCEEDED where evidence or answer are too large */
  async authorize(request: EngineRequest<"authorize">): Promise<EngineReply<"authorize">> {
    const checks = request.tuples.map(({ resource: object, relation, subject }) => ({
      object,
      relation,
      subject,
    }));
    const question = { kind: "check", checks, ...broughtBy(request) } as const;
    const { answer, point } = await this.#prove(request, question);
    return { allowed: answer.allowed, ...point };
  }

  /** @throws LedgerError as `DecisionLists.objects`; LIMIT_EXCEEDED */
  async objects(request: EngineRequest<"list_objects">): Promise<EngineReply<"list_objects">> {
    const { type, relation, subject } = request;
    const page = pageOf(request);
    const asked = { kind: "list_objects", type, relation, subject, ...page.asked } as const;
    const question = { ...asked, ...broughtBy(request) };
    const { answer, point, ...at } = await this.#prove(request, question, page.moment);
    return { objects: answer.objects, ...point, ...pageEnd(answer, at) };
  }

  /** @throws LedgerError as `DecisionLists.users`; LIMIT_EXCEEDED */
  async users(request: EngineRequest<"list_users">): Promise<EngineReply<"list_users">> {
    const { object, relation, filters } = request;
    const page = pageOf(request);
    const asked = { kind: "list_users", object, relation, filters, ...page.asked } as const;
    const question = { ...asked, ...broughtBy(request) };
    const { answer, point, ...at } = await this.#prove(request, question, page.moment);
    return { users: answer.users, ...point, ...pageEnd(answer, at) };
  }

  async #prove<Q extends DecisionQuestion>(
    { vault, consistency, prove }: ProvenRequest,
    question: Q,
    moment?: { readonly height: number; readonly timeMs: number },
  ): Promise<Reply<Q>> {
    assert(prove !== undefined, "a proof was asked for", { vault });
    const { models, state } = this.#deps;
    const about = { vault, consistency, prove, ...(moment && { moment }) };
    const decided = await this.#deps.prove(about, (view, timeMs) =>
      decideProvably({ state: view, timeMs }, models.of(view), question, prove.knownModel),
    );
    const { answer, cost, modelVersion, height, timeMs, proof, ...values } = decided;
    const at = { height, index: state.applied.index };
    return {
      answer,
      height,
      timeMs,
      point: { at, modelVersion, cost, proof: { proof, ...values } },
    };
  }
}

/** Pages after the first are of the height and the time of the first one (INV-READ-2). */
function pageOf({ limit, after }: EngineRequest<"list_objects"> | EngineRequest<"list_users">) {
  if (after === undefined) return { asked: { limit }, moment: undefined };
  const { cursor, ...moment } = decodeDecisionPosition(after);
  return { asked: { limit, cursor }, moment };
}

function pageEnd(
  { complete, next }: { readonly complete: boolean; readonly next?: Uint8Array | undefined },
  at: { readonly height: number; readonly timeMs: number },
) {
  if (next === undefined) return { complete };
  return { complete, next: encodeDecisionPosition({ ...at, cursor: next }) };
}
