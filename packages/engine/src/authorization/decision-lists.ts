/** Lists of decisions, page by page, and why a decision is as it is. */
import {
  expand,
  explain,
  type ListObjectsAnswer,
  type ListUsersAnswer,
  listObjects,
  listUsers,
  type World,
} from "@authledger/authz";
import type { EngineReply, EngineRequest } from "../port.js";
import { decodeDecisionPosition, encodeDecisionPosition } from "./decision-position.js";
import {
  type Brought,
  broughtBy,
  DECISION_LIMITS,
  type DecisionDeps,
  worldOf,
} from "./decision-world.js";

type Paged = Brought & {
  readonly limits: typeof DECISION_LIMITS;
  readonly cursor?: Uint8Array;
};

type PageReply = Omit<EngineReply<"list_objects">, "objects" | "proof">;

export class DecisionLists {
  readonly #deps: DecisionDeps;

  constructor(deps: DecisionDeps) {
    this.#deps = deps;
  }

  objects(request: EngineRequest<"list_objects">): EngineReply<"list_objects"> {
    const { type, relation, subject, limit } = request;
    return this.#page(request, (world, paged) => {
      const answer = listObjects(world, { type, relation, subject, limit, ...paged });
      return { answer, found: { objects: answer.objects } };
    });
  }

  users(request: EngineRequest<"list_users">): EngineReply<"list_users"> {
    const { object, relation, filters, limit } = request;
    return this.#page(request, (world, paged) => {
      const answer = listUsers(world, { object, relation, filters, limit, ...paged });
      return { answer, found: { users: answer.users } };
    });
  }

  expand(request: EngineRequest<"expand">): EngineReply<"expand"> {
    const { world, at, modelVersion } = worldOf(this.#deps, request);
    const { object, relation } = request;
    const asked = { object, relation, ...broughtBy(request), limits: DECISION_LIMITS };
    const { tree, cost } = expand(world, asked);
    return { tree, at, modelVersion, cost };
  }

  explain(request: EngineRequest<"explain">): EngineReply<"explain"> {
    const { world, at, modelVersion, timeMs } = worldOf(this.#deps, request);
    const { resource: object, relation, subject } = request.tuple;
    const asked = { object, relation, subject, ...broughtBy(request), limits: DECISION_LIMITS };
    const { allowed, tree: explanation, cost } = explain(world, asked);
    return { allowed, explanation, at, modelVersion, cost, timeMs };
  }

  #page<A extends ListObjectsAnswer | ListUsersAnswer, F extends object>(
    request: EngineRequest<"list_objects"> | EngineRequest<"list_users">,
    list: (world: World, paged: Paged) => { readonly answer: A; readonly found: F },
  ): PageReply & F {
    const position = request.after && decodeDecisionPosition(request.after);
    const { world, at, timeMs, modelVersion } = worldOf(this.#deps, request, position);
    const cursor = position?.cursor;
    const paged = { ...broughtBy(request), limits: DECISION_LIMITS, ...(cursor && { cursor }) };
    const { answer, found } = list(world, paged);
    const { complete, next, cost } = answer;
    const place = { height: at.height, timeMs };
    return {
      ...found,
      complete,
      ...(next && { next: encodeDecisionPosition({ ...place, cursor: next }) }),
      ...{ at, modelVersion, cost },
    };
  }
}
