/** What answers that cross the port have in common: where in the history they are, and how they are proven. */

/** Asks for a proof beside the answer. */
export interface ProveOptions {
  /** Size of the newest checkpoint the client trusts; 0 = none. */
  readonly trustedSize: number;
  /** config_hash the client knows; empty = none. */
  readonly configHash: Uint8Array;
  /** Distinct replicas that must have cosigned the head, where that is more than the policy's quorum. */
  readonly cosignatures?: number;
}

/** Everything a client needs to check an answer, as canonical bytes. */
export interface AnswerProof {
  /** LSP1; empty where the answer is about the history only. */
  readonly stateProof: Uint8Array;
  readonly header: Uint8Array;
  readonly historyProof: readonly Uint8Array[];
  readonly checkpoint: string;
  readonly consistencyProof: readonly Uint8Array[];
  /** A page of a list covers [pageFrom, pageTo) of the list's paths; empty = its start, its end. */
  readonly pageFrom: Uint8Array;
  readonly pageTo: Uint8Array;
}

/** The point of the vault's history that an answer is about. */
export interface AnswerPoint {
  readonly height: number;
  readonly index: number;
}
