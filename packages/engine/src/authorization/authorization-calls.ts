/** Decisions and the life of models through the engine's port. Plain data, as everything that crosses it. */
import type {
  ConditionContext,
  DryRun,
  Explanation,
  ModelAbout,
  ModelAssertion,
  ModelBody,
  RelationTuple,
  UsersetTree,
} from "@authledger/authz";
import type { Consistency, Tuple } from "@authledger/types";
import type { AnswerPoint, AnswerProof, ProveOptions } from "../answer.js";

/** What every question says. */
export interface DecisionQuestion {
  readonly vault: number;
  readonly consistency: Consistency;
  /** Values of parameters of conditions. */
  readonly context?: ConditionContext;
  /** Count as stored, for this question only. */
  readonly contextualTuples?: readonly RelationTuple[];
}

/** Asks for a proven decision. */
export interface ProveDecisionOptions extends ProveOptions {
  /** SHA-256 of the body that the client keeps; empty = none. That body is not sent again. */
  readonly knownModel: Uint8Array;
}

/** Everything that a client needs to decide again. */
export interface DecisionProof {
  /** Shows the record of the active model, that of its body, and all evidence. */
  readonly proof: AnswerProof;
  /** nonce16 || value of the active model's record; empty where there is none. */
  readonly activeModel: Uint8Array;
  /** nonce16 || value of the body's record; empty where the client knows it. */
  readonly modelBody: Uint8Array;
  /** nonce16 || value of conditional tuples in the evidence, in the order of their paths. */
  readonly tupleValues: readonly Uint8Array[];
}

/** What every answer says. */
export interface DecisionPoint {
  readonly at: AnswerPoint;
  /** 0 = there is no active model. */
  readonly modelVersion: number;
  /** Tuples read and points looked up. */
  readonly cost: number;
}

interface Proven {
  readonly proof?: DecisionProof;
}

interface ListPage {
  readonly limit: number;
  /** Go on behind this position, the `next` of the page before. */
  readonly after?: Uint8Array;
  readonly prove?: ProveDecisionOptions;
}

interface ListedPage {
  /** Nothing is missing: what was asked ends here. */
  readonly complete: boolean;
  /** Absent on the last page. */
  readonly next?: Uint8Array;
}

/** A version of a model, as it is listed. */
export interface ModelInfo extends ModelAbout {
  /** From 1; 0 = not stored. */
  readonly version: number;
  readonly isActive: boolean;
  /** 0 where it is not active. */
  readonly activatedAtMs: number;
  readonly assertions: number;
}

/** What a model would do to the vault's answers. */
interface TriedModel extends DryRun {
  /** Of the version that is active now; absent: there is none. */
  readonly active?: ModelBody;
}

/** Who changes a model, and why. */
interface ModelChangeRequest {
  readonly vault: number;
  readonly actor: string;
  readonly reason: string;
}

interface ModelChangeReply {
  readonly at: AnswerPoint;
}

interface Switched extends ModelChangeReply {
  /** Absent where none is active from now on. */
  readonly model?: ModelInfo;
  /** 0 = there was none. */
  readonly previousVersion: number;
}

interface ModelQuestion {
  readonly vault: number;
  readonly consistency: Consistency;
}

export interface AuthorizationCalls {
  /** Checks at one height. @throws LedgerError TYPE_NOT_FOUND, RELATION_NOT_FOUND, EVALUATION_TOO_COMPLEX, ... */
  authorize: {
    request: DecisionQuestion & {
      readonly tuples: readonly Tuple[];
      readonly prove?: ProveDecisionOptions;
    };
    reply: DecisionPoint & Proven & { readonly allowed: readonly boolean[] };
  };
  /** @throws LedgerError NO_ACTIVE_MODEL */
  list_relations: {
    request: DecisionQuestion & {
      readonly object: string;
      readonly subject: string;
      readonly relations?: readonly string[];
    };
    reply: DecisionPoint & { readonly relations: readonly string[] };
  };
  /** Stores a model, and activates it where that is asked. @throws LedgerError MODEL_INVALID, MODEL_ASSERTION_FAILED */
  deploy_model: {
    request: ModelChangeRequest & {
      /** As `encodeModelBody` makes it, of a model that has been validated. */
      readonly body: Uint8Array;
      /** Absent: they stay as they are. */
      readonly assertions?: readonly ModelAssertion[];
      readonly activate: boolean;
    };
    reply: ModelChangeReply & { readonly model: ModelInfo; readonly existed: boolean };
  };
  /** What the model would change if it were active. */
  try_model: {
    request: ModelQuestion & {
      readonly body: Uint8Array;
      readonly assertions?: readonly ModelAssertion[];
    };
    reply: TriedModel & { readonly model: ModelInfo; readonly at: AnswerPoint };
  };
  /** @throws LedgerError MODEL_NOT_FOUND, MODEL_ASSERTION_FAILED */
  activate_model: {
    /** Version 0: none is active from now on. */
    request: ModelChangeRequest & { readonly version: number };
    reply: Switched;
  };
  /** @throws LedgerError MODEL_NOT_FOUND where none was active before */
  rollback_model: { request: ModelChangeRequest; reply: Switched };
  /** @throws LedgerError MODEL_NOT_FOUND; NO_ACTIVE_MODEL for "active" */
  get_model: {
    request: ModelQuestion & { readonly version: number | "active" };
    reply: { readonly model: ModelInfo; readonly body: ModelBody; readonly at: AnswerPoint };
  };
  /** Newest first. */
  list_models: {
    /** `below`: only versions before it. */
    request: ModelQuestion & { readonly limit: number; readonly below?: number };
    reply: {
      readonly models: readonly ModelInfo[];
      /** `below` of the next page; absent on the last one. */
      readonly next?: number;
      readonly at: AnswerPoint;
    };
  };
  set_assertions: {
    request: ModelChangeRequest & {
      readonly version: number;
      readonly assertions: readonly ModelAssertion[];
    };
    reply: ModelChangeReply;
  };
  get_assertions: {
    request: ModelQuestion & { readonly version: number };
    reply: { readonly assertions: readonly ModelAssertion[]; readonly at: AnswerPoint };
  };
  /** @throws LedgerError NO_ACTIVE_MODEL, as all that follow */
  list_objects: {
    request: DecisionQuestion &
      ListPage & { readonly type: string; readonly relation: string; readonly subject: string };
    reply: DecisionPoint & Proven & ListedPage & { readonly objects: readonly string[] };
  };
  list_users: {
    request: DecisionQuestion &
      ListPage & {
        readonly object: string;
        readonly relation: string;
        readonly filters: readonly string[];
      };
    reply: DecisionPoint & Proven & ListedPage & { readonly users: readonly string[] };
  };
  expand: {
    request: DecisionQuestion & { readonly object: string; readonly relation: string };
    reply: DecisionPoint & { readonly tree: UsersetTree };
  };
  explain: {
    request: DecisionQuestion & { readonly tuple: Tuple };
    reply: DecisionPoint & {
      readonly allowed: boolean;
      readonly explanation: Explanation;
      /** As of when expiry was judged: now, or the time of the older block that was asked for. */
      readonly timeMs: number;
    };
  };
}
