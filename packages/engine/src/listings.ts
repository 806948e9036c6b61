/** Lists without proofs, and what a client did last. They see what a plain read sees (reads.ts). */
import { type GroupState, listEntities, listResources, type StateView } from "@authledger/state";
import { type Consistency, LedgerError } from "@authledger/types";
import { ANSWER_BYTES_MAX } from "./answer-size.js";
import type { AnswerPoint, EngineReply, EngineRequest } from "./port.js";

/** What a plain read of a vault sees, now or as of a height. */
export interface Seen {
  readonly view: StateView;
  /** What is past it counts as expired. */
  readonly timeMs: number;
  readonly at: AnswerPoint;
}

export interface ListingDeps {
  readonly state: GroupState;
  /** @throws LedgerError as any read of the vault with this consistency */
  readonly see: (vault: number, consistency: Consistency) => Seen;
}

export class Listings {
  readonly #deps: ListingDeps;

  constructor(deps: ListingDeps) {
    this.#deps = deps;
  }

  entities(request: EngineRequest<"list_entities">): EngineReply<"list_entities"> {
    const { prefix, includeExpired, limit, after: from } = request;
    const { view, timeMs, at } = this.#deps.see(request.vault, request.consistency);
    const bytesMax = ANSWER_BYTES_MAX / 2;
    const query = { prefix, includeExpired, limit, from, timeMs, bytesMax };
    const { entities, next } = listEntities(view, this.#deps.state.tables, query);
    return { entities, at, ...(next && { next }) };
  }

  resources(request: EngineRequest<"list_resources">): EngineReply<"list_resources"> {
    const { type, limit, after: from } = request;
    const { view, timeMs, at } = this.#deps.see(request.vault, request.consistency);
    const { resources, next } = listResources(view, { type, limit, from, timeMs });
    return { resources, at, ...(next && { next }) };
  }

  clientState(request: EngineRequest<"get_client_state">): EngineReply<"get_client_state"> {
    if (request.consistency.kind === "at_height") {
      const message = "what a client did last is told as of now, not as of a height";
      throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "consistency" } });
    }
    const { at } = this.#deps.see(request.vault, request.consistency);
    const last = this.#deps.state.clientState(request.vault, request.clientId);
    return { at, ...(last && { last }) };
  }
}
