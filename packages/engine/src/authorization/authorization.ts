/** Decisions and models of a node: what their calls share, and which of them need the leader. */
import { requireAllowed } from "@authledger/authz";
import type { GroupState, OpenVault } from "@authledger/state";
import type { Consistency, Hasher, Operation } from "@authledger/types";
import type { Seen } from "../listings.js";
import type { EngineReply, EngineRequest } from "../port.js";
import { ActiveModels } from "./active-models.js";
import type { AuthorizationCalls, ProveDecisionOptions } from "./authorization-calls.js";
import { DecisionLists } from "./decision-lists.js";
import { Decisions } from "./decisions.js";
import { ModelLife, type ModelLifeDeps } from "./model-life.js";
import { ModelReads } from "./model-reads.js";
import { ProvenDecisions, type ProvenDecisionsDeps } from "./proven-decisions.js";

export interface AuthorizationDeps {
  readonly state: GroupState;
  readonly hasher: Hasher;
  /** @throws LedgerError as any read of the vault with this consistency */
  readonly see: (vault: number, consistency: Consistency) => Seen;
  readonly prove: ProvenDecisionsDeps["prove"];
  readonly propose: ModelLifeDeps["propose"];
  readonly confirm: ModelLifeDeps["confirm"];
}

/** How the engine answers: who may, and when. */
export interface AuthorizationGate {
  /** Is what is here what everybody acknowledged, without asking? */
  readonly hasLocalReads: () => boolean;
  readonly read: <T>(
    request: { readonly vault: number; readonly consistency: Consistency },
    deadlineAtMs: number | undefined,
    read: () => T | Promise<T>,
  ) => T | Promise<T>;
  /** @throws LedgerError NOT_LEADER, NO_LEADER */
  readonly requireWritable: () => void;
}

type Handlers = {
  readonly [C in keyof AuthorizationCalls]: (
    request: EngineRequest<C>,
    deadlineAtMs: number | undefined,
  ) => EngineReply<C> | Promise<EngineReply<C>>;
};

export class Authorization {
  readonly models: ActiveModels;
  readonly decisions: Decisions;
  readonly lists: DecisionLists;
  readonly proven: ProvenDecisions;
  readonly reads: ModelReads;
  readonly life: ModelLife;

  constructor({ state, hasher, see, prove, propose, confirm }: AuthorizationDeps) {
    const models = new ActiveModels(hasher);
    this.models = models;
    this.decisions = new Decisions({ state, models, see });
    this.lists = new DecisionLists({ state, models, see });
    this.proven = new ProvenDecisions({ state, models, prove });
    this.reads = new ModelReads({ models, hasher, see });
    this.life = new ModelLife({ state, models, hasher, propose, confirm });
  }

  /** Another replica's state has taken the place of this one's, which may have been wrong (INV-ACTIVE-5). */
  forget(): void {
    this.decisions.forget();
  }

  /** @throws LedgerError where the vault's active model does not allow what is written */
  checkAllowed(vault: OpenVault, operations: readonly Operation[]): void {
    const active = this.models.of(vault);
    if (active !== undefined) requireAllowed(active.compiled, operations);
  }
}

/** @param of the engine has it when the first call comes */
export function authorizationHandlers(of: () => Authorization, gate: AuthorizationGate): Handlers {
  const { read, requireWritable } = gate;
  return {
    // On the path of a check: without a closure where nobody has to be asked.
    authorize: (request, deadline) =>
      request.prove !== undefined
        ? read(request, deadline, () => of().proven.authorize(request))
        : gate.hasLocalReads()
          ? of().decisions.authorize(request)
          : read(request, deadline, () => of().decisions.authorize(request)),
    list_objects: (request, deadline) =>
      read(request, deadline, () => byProof(request, of()).objects(request)),
    list_users: (request, deadline) =>
      read(request, deadline, () => byProof(request, of()).users(request)),
    expand: (request, deadline) => read(request, deadline, () => of().lists.expand(request)),
    explain: (request, deadline) => read(request, deadline, () => of().lists.explain(request)),
    list_relations: (request, deadline) =>
      read(request, deadline, () => of().decisions.listRelations(request)),
    get_model: (request, deadline) => read(request, deadline, () => of().reads.get(request)),
    list_models: (request, deadline) => read(request, deadline, () => of().reads.list(request)),
    get_assertions: (request, deadline) =>
      read(request, deadline, () => of().reads.assertions(request)),
    try_model: (request, deadline) => read(request, deadline, () => of().reads.tryModel(request)),
    deploy_model: (request) => {
      requireWritable();
      return of().life.deploy(request);
    },
    activate_model: (request) => {
      requireWritable();
      return of().life.activate(request);
    },
    rollback_model: (request) => {
      requireWritable();
      return of().life.rollback(request);
    },
    set_assertions: (request) => {
      requireWritable();
      return of().life.setAssertions(request);
    },
  };
}

/** Who decides: with a proof, or without. */
function byProof(
  { prove }: { readonly prove?: ProveDecisionOptions },
  { proven, lists }: Authorization,
): Pick<DecisionLists, "objects" | "users"> | ProvenDecisions {
  return prove === undefined ? lists : proven;
}
