/**
 * The server's own entities in the system vault (organization 0, vault 0): credentials, configuration, quotas, records of
 * the audit. They are written as everything else is: replicated, hashed, provable.
 *
 *   INV-AUTHN-1  What the server writes of its own never registers an organization or a vault: those entities (`org:...`,
 *                `vault:...`) are the engine's.
 *
 * Keys begin with what they are: `key:<id>`, `config:<field>`, `quota:...`, `audit:...`. Writes need the leader: a call that
 * writes here is passed on as a whole (forwarding.ts) and runs there; what no call asked for waits until its node leads.
 */
import type { EnginePort, StoredEntity } from "@authledger/engine";
import type { OperationStatus } from "@authledger/types";
import { type Consistency, LedgerError, type Operation } from "@authledger/types";

/** Its internal id, on every node. */
export const SYSTEM_VAULT = 0;
/** For a write that has no deadline of its own, in milliseconds. */
const WRITE_MS_MAX = 10_000;
const PAGE_MAX = 1_000;

/** Who writes, and why. */
export interface SystemWrite {
  /** The principal's name, or the server's own for what nobody asked for. */
  readonly actor: string;
  readonly reason?: string;
  /** On the monotonic clock; 10 s from now when absent. */
  readonly deadlineAtMs?: number | undefined;
}

export interface SystemWritten {
  readonly height: number;
  readonly statuses: readonly OperationStatus[];
}

/**
 * `local` is what this node has applied, at once; `linearizable` has seen every write that was acknowledged before.
 */
export type SystemConsistency = "local" | "linearizable";

export interface SystemPage {
  readonly entities: readonly StoredEntity[];
  /** Go on behind this position; absent on the last page. */
  readonly next?: Uint8Array;
}

export interface SystemQuestion {
  readonly consistency?: SystemConsistency;
  readonly deadlineAtMs?: number | undefined;
}

export class SystemVault {
  readonly #engine: EnginePort;

  constructor(engine: EnginePort) {
    this.#engine = engine;
  }

  /**
   * One transaction: all of it, or nothing.
   * @throws LedgerError PRECONDITION_FAILED and what else refuses a transaction; NOT_LEADER, NO_LEADER, COMMIT_UNKNOWN
   */
  async write(operations: readonly Operation[], about: SystemWrite): Promise<SystemWritten> {
    for (const operation of operations) requireOwnKey(operation);
    const { actor, reason = "" } = about;
    const deadlineAtMs = about.deadlineAtMs ?? performance.now() + WRITE_MS_MAX;
    const transaction = { operations, clientId: "", idempotencyKey: "", reason };
    const request = { vault: SYSTEM_VAULT, transactions: [transaction], actor, prove: false };
    const { outcomes } = await this.#engine.call("write", request, deadlineAtMs);
    const outcome = outcomes[0]!;
    if (outcome.kind === "applied") return { height: outcome.height, statuses: outcome.statuses };
    const { code, message, details, retryAfterMs } = outcome;
    throw new LedgerError(code, message, {
      details,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }

  /** Undefined where it is not there, or has expired. */
  async read(key: string, question: SystemQuestion = {}): Promise<StoredEntity | undefined> {
    const request = { vault: SYSTEM_VAULT, keys: [key], consistency: consistencyOf(question) };
    const { entities } = await this.#engine.call("read_entities", request, question.deadlineAtMs);
    return entities[0];
  }

  /** A page of the entities whose keys begin so, in the order of their keys; 1,000 at most. */
  async list(
    prefix: string,
    question: SystemQuestion & { readonly limit?: number; readonly after?: Uint8Array } = {},
  ): Promise<SystemPage> {
    const { limit = PAGE_MAX, after } = question;
    const request = {
      ...{ vault: SYSTEM_VAULT, prefix, includeExpired: false },
      ...{ limit: Math.min(limit, PAGE_MAX), consistency: consistencyOf(question) },
      ...(after !== undefined && { after }),
    };
    const { entities, next } = await this.#engine.call(
      "list_entities",
      request,
      question.deadlineAtMs,
    );
    return next === undefined ? { entities } : { entities, next };
  }

  /** The vault's newest block that this node has applied. */
  async height(): Promise<number> {
    const request = { vault: SYSTEM_VAULT, consistency: consistencyOf({}) };
    return (await this.#engine.call("get_tip", request)).at.height;
  }
}

/** A staleness of 0 means any age. */
function consistencyOf({ consistency = "local" }: SystemQuestion): Consistency {
  return consistency === "local" ? { kind: "any", maxStalenessMs: 0 } : { kind: "linearizable" };
}

/** What registers organizations and vaults is the engine's to write. */
function requireOwnKey(operation: Operation): void {
  if (!("key" in operation) || !/^(org|vault):/.test(operation.key)) return;
  const message = `the key ${operation.key.slice(0, 80)} registers an organization or a vault`;
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "key" } });
}
