/** Writes and administrative calls: each becomes a proposal, and its outcome the reply. */
import type { Random } from "@authledger/io";
import {
  blockHash,
  decodePolicy,
  formatTrustAnchor,
  inclusionProof,
  leafHash,
  ledgerRecordKey,
  lookupOf,
  NONCE_BYTES,
  vaultRef,
} from "@authledger/proof";
import {
  blockTransactions,
  type EntryItem,
  encodeOrganizationEntity,
  encodeVaultEntity,
  type GroupState,
  type OpenVault,
  type Outcome,
  organizationEntityKey,
  type SealedTransaction,
  SYSTEM_VAULT,
  vaultEntityKey,
} from "@authledger/state";
import {
  assert,
  type Hasher,
  LedgerError,
  limits,
  type Operation,
  SnowflakeGenerator,
  type TransactionRequest,
  vaultOrigin,
} from "@authledger/types";
import { deferred } from "./deferred.js";
import type {
  EngineReply,
  EngineRequest,
  TransactionInclusion,
  TransactionOutcome,
} from "./port.js";
import type { Proposal, Proposer } from "./proposer.js";
import { type LedgerRecordValue, payloadHash, Sealer } from "./sealer.js";
import type { Signer } from "./signer.js";
import { SystemSealer } from "./system-sealer.js";
import { type TraceContext, type Tracer, WriteSpans } from "./tracer.js";
import {
  checkWritable,
  findOrganization,
  newestSlug,
  organizationInfo,
  vaultInfo,
} from "./vault-lookup.js";

export interface WriteDeps {
  readonly tracer: Tracer | undefined;
  readonly state: GroupState;
  readonly proposer: Proposer;
  readonly signer: Signer;
  readonly hasher: Hasher;
  readonly random: Random;
  readonly nowMs: () => number;
  /** @throws LedgerError when a vault must not be written, whatever its status */
  readonly checkWritable: (vault: number) => void;
  /** @throws LedgerError where the vault's active model does not allow what is written */
  readonly checkAllowed: (vault: OpenVault, operations: readonly Operation[]) => void;
}

const SALT_BYTES = 32;
const NO_HASH = new Uint8Array(32);
/** Why the proof of an applied transaction can never be made again. */
const GONE: ReadonlySet<string> = new Set(["HEIGHT_UNAVAILABLE", "VAULT_DELETED"]);
/** What only clients have. */
const OWN = { clientId: "", idempotencyKey: "", reason: "" } as const;

interface Decided {
  readonly outcome: Outcome;
  readonly index: number;
}

/** What is to be proposed. */
interface Proposing {
  readonly operations: number;
  readonly bytes: number;
  readonly make: (timeMs: number) => EntryItem;
  readonly deadlineAtMs?: number | undefined;
  readonly needsCurrentState?: boolean;
  readonly trace?: TraceContext | undefined;
}

/** A transaction of the ledger's own. */
export interface OwnTransaction {
  readonly operationsMax: number;
  /** Called when its turn comes. @throws LedgerError to propose nothing */
  readonly operationsAt: (timeMs: number) => readonly Operation[];
  /** Not before everything proposed so far is applied. */
  readonly needsCurrentState: boolean;
  /** Default: none. */
  readonly reason?: string;
}

/** What a step of pruning weighs in an entry. */
const PRUNE_OPERATIONS = 250;

export class Writes {
  readonly #deps: WriteDeps;
  readonly #sealer: Sealer;
  readonly #system: SystemSealer;
  /** Absent until a slug is needed in this leadership. */
  #slugs: SnowflakeGenerator | undefined;
  /** Last sequence of each (vault, client) that was stamped and may not have been applied. */
  readonly #sequences = new Map<string, number>();

  constructor(deps: WriteDeps) {
    this.#deps = deps;
    this.#sealer = new Sealer(deps.state, deps.hasher, deps.random);
    this.#system = new SystemSealer(deps.hasher, deps.random);
  }

  async write(
    request: EngineRequest<"write">,
    deadlineAtMs: number | undefined,
  ): Promise<EngineReply<"write">> {
    this.#requireWritable(request.vault);
    const decided = await Promise.all(
      request.transactions.map((transaction) =>
        this.#propose(request, transaction, deadlineAtMs).then(
          (done) => this.#outcome(done, request.prove),
          (error: unknown) => ({ refused: LedgerError.from(error) }),
        ),
      ),
    );
    const refused = decided.flatMap((done) => ("refused" in done ? [done.refused] : []));
    // Nothing of the call was proposed here: it may go to the leader as it is.
    if (refused.length === decided.length && refused.every(isNotLeading)) throw refused[0]!;
    const outcomes = decided.map((done) => ("refused" in done ? refusedWith(done.refused) : done));
    // Asked for again: a flush may have closed the vault while its entry was on the way, or it was deleted behind it.
    const height = this.#deps.state.vault(request.vault)?.height ?? newestHeight(outcomes);
    return { outcomes, at: { height, index: this.#deps.state.applied.index } };
  }

  #requireWritable(id: number): void {
    const vault = this.#deps.state.requireVault(id);
    checkWritable(this.#deps.state, vault.row);
    this.#deps.checkWritable(vault.id);
  }

  /** Proposes a transaction that sets records, which are chosen when everything proposed before is applied. */
  async proposeRecords(
    about: { readonly vault: number; readonly actor: string; readonly reason: string },
    bytes: number,
    recordsAt: (timeMs: number) => readonly LedgerRecordValue[],
  ): Promise<Outcome> {
    const { vault, actor, reason } = about;
    this.#requireWritable(vault);
    const make = (timeMs: number): EntryItem => {
      const transaction = this.#sealer.sealRecords(recordsAt(timeMs), { actor, reason, timeMs });
      return { kind: "transaction", vault, idempotencyKey: "", payloadHash: NO_HASH, transaction };
    };
    return (await this.#submit({ operations: 4, bytes, make, needsCurrentState: true })).outcome;
  }

  async createOrganization(
    request: EngineRequest<"create_organization">,
  ): Promise<EngineReply<"create_organization">> {
    const slug = this.#nextSlug();
    const { name, actor, reason } = request;
    const value = encodeOrganizationEntity({
      name,
      status: "active",
      created_ms: this.#deps.nowMs(),
    });
    const key = organizationEntityKey(slug);
    const transaction = systemRequest(key, value, reason);
    const about = { vault: SYSTEM_VAULT, actor };
    const { outcome } = await this.#propose(about, transaction, undefined);
    throwIfRefused(outcome);
    const row = this.#deps.state.rows.organizationBySlug(slug);
    assert(row !== undefined, "an organization that was created is there", { slug });
    return { organization: organizationInfo(row) };
  }

  async createVault(request: EngineRequest<"create_vault">): Promise<EngineReply<"create_vault">> {
    const { state } = this.#deps;
    const organization = findOrganization(state, request.organization);
    const slug = this.#nextSlug();
    const make = (timeMs: number): EntryItem =>
      this.#vaultItem(request, organization.slug, slug, timeMs);
    const outcome = await this.#submit({ operations: 4, bytes: 4_096, make });
    throwIfRefused(outcome.outcome);
    const row = state.rows.vaultBySlug(organization.id, slug);
    assert(row !== undefined, "a vault that was created is there", { slug });
    const genesisHeader = state.vault(row.id)!.header(0)!;
    return { vault: vaultInfo(state, row), genesisHeader };
  }

  /** Proposes a transaction of the ledger's own, as the expirer's; its operations are made when its turn comes. */
  async proposeOwn(
    vault: number,
    actor: string,
    { operationsMax: operations, operationsAt, needsCurrentState, reason = "" }: OwnTransaction,
  ): Promise<Outcome> {
    const make = (timeMs: number): EntryItem => ({
      kind: "transaction",
      vault,
      idempotencyKey: "",
      payloadHash: NO_HASH,
      transaction: this.#sealer.seal(
        this.#deps.state.requireVault(vault),
        { operations: operationsAt(timeMs), ...OWN, reason },
        { sequence: 0, actor, timeMs },
      ),
    });
    const bytes = operations * limits.ENTITY_KEY_BYTES_MAX;
    const { outcome } = await this.#submit({ operations, bytes, make, needsCurrentState });
    return outcome;
  }

  /** Proposes an item of the ledger's own, made when everything proposed before it is applied. */
  async proposeItem(
    make: (timeMs: number) => EntryItem,
    needsCurrentState = true,
  ): Promise<Outcome> {
    const about = { operations: 1, bytes: 4_096, make, needsCurrentState };
    return (await this.#submit(about)).outcome;
  }

  /** Resolves when everything proposed so far is applied; proposes nothing. @throws LedgerError as a write */
  async barrier(deadlineAtMs?: number): Promise<void> {
    const { promise, resolve } = deferred<void>();
    const nothing = (): never => {
      resolve();
      throw new LedgerError("CANCELLED", "nothing was to be proposed");
    };
    const about = { operations: 1, bytes: 0, make: nothing, needsCurrentState: true, deadlineAtMs };
    await Promise.race([promise, this.#submit(about)]).catch((error: unknown) => {
      if (LedgerError.from(error).code !== "CANCELLED") throw error;
    });
  }

  /** A transaction that sets an entity of the system vault, where a version is given if it is still of that. */
  sealEntity(
    entity: { readonly key: string; readonly value: Uint8Array; readonly version?: number },
    stamp: { readonly actor: string; readonly timeMs: number; readonly reason?: string },
  ): SealedTransaction {
    const { key, value, version } = entity;
    const condition =
      version === undefined
        ? ({ kind: "none" } as const)
        : ({ kind: "version_equals", version } as const);
    const operations = [{ op: "set_entity", key, value, expiresAtMs: 0, condition }] as const;
    const system = this.#deps.state.requireVault(SYSTEM_VAULT);
    const { reason = "", actor, timeMs } = stamp;
    const request = { operations, ...OWN, reason };
    return this.#sealer.seal(system, request, { sequence: 0, actor, timeMs });
  }

  /** Proposes a step towards a vault's retention. */
  async proposePrune(vault: number): Promise<void> {
    const make = (): EntryItem => ({ kind: "prune", vault });
    const { outcome } = await this.#submit({ operations: PRUNE_OPERATIONS, bytes: 16, make });
    throwIfRefused(outcome);
  }

  /** The first entry of a cluster: its name and the system vault. */
  async initialize(clusterId: string, clusterOrigin: string): Promise<void> {
    const salt = this.#deps.random.bytes(SALT_BYTES);
    const make = (timeMs: number): EntryItem => ({
      kind: "init",
      clusterId,
      clusterOrigin,
      salt,
      genesis: this.#genesis(vaultOrigin(clusterOrigin, 0n, 0n), timeMs),
    });
    const { outcome } = await this.#submit({ operations: 3, bytes: 4_096, make });
    throwIfRefused(outcome);
  }

  /** The anchor of a vault: what its genesis says. */
  trustAnchor(vaultId: number): string {
    const { state, hasher } = this.#deps;
    const vault = state.requireVault(vaultId);
    const path = vault.paths.path(ledgerRecordKey("ledger", "policy"));
    const stored = state.tables.value.get(vault.rowKey(path));
    assert(stored !== undefined, "a vault has a policy", { vault: vaultId });
    return formatTrustAnchor({
      origin: vault.row.origin,
      salt: vault.row.salt,
      genesis: blockHash(hasher, vault.header(0)!),
      policy: decodePolicy(hasher, stored.slice(NONCE_BYTES)),
    });
  }

  /** Asynchronous so that each refusal is that of its own transaction, also one at once. */
  async #propose(
    { vault: vaultId, actor, trace }: Pick<EngineRequest<"write">, "vault" | "actor" | "trace">,
    request: TransactionRequest,
    deadlineAtMs: number | undefined,
  ): Promise<Decided> {
    const { hasher, state } = this.#deps;
    const hash = request.idempotencyKey === "" ? NO_HASH : payloadHash(hasher, request);
    const make = (timeMs: number): EntryItem => {
      const vault = state.requireVault(vaultId);
      // What was answered before is answered so again, whatever model is active by now.
      const isRemembered = state.isRemembered(vaultId, request, { payloadHash: hash, timeMs });
      if (!isRemembered) this.#deps.checkAllowed(vault, request.operations);
      const sequence = this.#nextSequence(vaultId, request.clientId);
      return {
        kind: "transaction",
        vault: vaultId,
        idempotencyKey: request.idempotencyKey,
        payloadHash: hash,
        transaction: this.#sealer.seal(vault, request, { sequence, actor, timeMs }),
      };
    };
    const bytes = requestBytes(request);
    if (bytes > limits.TRANSACTION_BYTES_MAX) {
      const message = `a transaction of ${bytes} bytes; the limit is ${limits.TRANSACTION_BYTES_MAX}`;
      throw new LedgerError("LIMIT_EXCEEDED", message, {
        details: { field: "transaction", limit: limits.TRANSACTION_BYTES_MAX, actual: bytes },
      });
    }
    const { operations } = request;
    const needsCurrentState = operations.some(readsState);
    return this.#submit({
      operations: operations.length,
      bytes: bytes + comparedBytes(request),
      make,
      deadlineAtMs,
      needsCurrentState,
      trace,
    });
  }

  async #submit(about: Proposing): Promise<Decided> {
    const { tracer, proposer } = this.#deps;
    const { promise, resolve, reject } = deferred<Decided>();
    const isTraced = tracer !== undefined && about.trace !== undefined;
    const spans = isTraced ? new WriteSpans(tracer, about.trace) : undefined;
    const failed = (error: unknown): void => {
      spans?.failed(error);
      reject(error);
    };
    const proposal: Proposal = {
      deadlineAtMs: undefined,
      needsCurrentState: false,
      ...about,
      spans,
      done: (outcome, index) => resolve({ outcome, index }),
      failed,
    };
    try {
      proposer.add(proposal);
    } catch (error) {
      failed(error);
    }
    return promise;
  }

  /** Everything stamped so far has been applied: the state knows all sequences. */
  caughtUp(): void {
    this.#sequences.clear();
  }

  /** This node leads now: other leaders may have stamped sequences and made slugs since it last did. */
  beginLeading(): void {
    this.#sequences.clear();
    this.#slugs = undefined;
  }

  /** Above all slugs that any leader has made: their entries are applied before this node proposes. */
  #nextSlug(): bigint {
    this.#slugs ??= new SnowflakeGenerator(this.#deps.nowMs, newestSlug(this.#deps.state));
    return this.#slugs.next();
  }

  /** Sequences ascend per client; the last applied one counts when none is in flight. */
  #nextSequence(vault: number, clientId: string): number {
    if (clientId === "") return 0;
    const { state } = this.#deps;
    const id = `${vault}/${clientId}`;
    const last = this.#sequences.get(id) ?? state.lastSequence(vault, clientId);
    this.#sequences.set(id, last + 1);
    return last + 1;
  }

  #genesis(origin: string, timeMs: number): SealedTransaction {
    return this.#system.genesis(origin, this.#deps.signer.firstPolicy(origin), timeMs);
  }

  #vaultItem(
    request: EngineRequest<"create_vault">,
    organization: bigint,
    slug: bigint,
    timeMs: number,
  ): EntryItem {
    const { state, random, hasher } = this.#deps;
    const origin = vaultOrigin(state.cluster!.origin, organization, slug);
    const salt = random.bytes(SALT_BYTES);
    const value = encodeVaultEntity({
      name: request.name,
      status: "active",
      origin,
      vaultRef: vaultRef(hasher, origin, salt),
      created_ms: timeMs,
    });
    const transaction = systemRequest(vaultEntityKey(organization, slug), value, request.reason);
    const system = state.vault(SYSTEM_VAULT)!;
    const stamp = { sequence: 0, actor: request.actor, timeMs };
    return {
      kind: "create_vault",
      organization,
      slug,
      salt,
      registration: this.#sealer.seal(system, transaction, stamp),
      genesis: this.#genesis(origin, timeMs),
    };
  }

  #outcome({ outcome }: Decided, prove: boolean): TransactionOutcome {
    if (outcome.kind === "refused") {
      const { code, message, details } = outcome;
      return { kind: "refused", code, message, details };
    }
    assert(outcome.kind === "applied", "a transaction is applied or refused");
    const { transaction, replayed, vault } = outcome;
    const { height, index } = transaction;
    const inclusion = prove ? this.#inclusionIfKept(vault, height, index) : undefined;
    return { ...transaction, kind: "applied", replayed, ...(inclusion && { inclusion }) };
  }

  /** What is applied is answered so, though its block is not kept any more or its vault was deleted since. */
  #inclusionIfKept(vault: number, height: number, index: number): TransactionInclusion | undefined {
    try {
      return this.#inclusion(vault, height, index);
    } catch (error) {
      if (error instanceof LedgerError && GONE.has(error.code)) return undefined;
      throw error;
    }
  }

  #inclusion(vaultId: number, height: number, index: number): TransactionInclusion {
    const { state, hasher } = this.#deps;
    const vault = state.requireVault(vaultId);
    const header = vault.header(height)!;
    const count = new DataView(header.buffer, header.byteOffset).getUint32(72);
    const transactions = blockTransactions(vault, state.tables, height, count);
    const leaves = transactions.map((bytes) => leafHash(hasher, bytes));
    const path = inclusionProof(hasher, lookupOf(hasher, leaves), index, count);
    return { header, transaction: transactions[index]!, index, path };
  }
}

function newestHeight(outcomes: readonly TransactionOutcome[]): number {
  return Math.max(0, ...outcomes.map((done) => (done.kind === "applied" ? done.height : 0)));
}

function isNotLeading({ code }: LedgerError): boolean {
  return code === "NOT_LEADER" || code === "NO_LEADER" || code === "REPLICA_DIVERGED";
}

/** Does sealing the operation look at what is stored? */
function readsState(op: TransactionRequest["operations"][number]): boolean {
  if (op.op === "create_tuple") return op.value !== undefined;
  return "condition" in op && op.condition.kind === "value_equals";
}

/** Of what goes into the log. */
function requestBytes(request: TransactionRequest): number {
  let bytes = 256;
  for (const op of request.operations) {
    bytes += 64;
    if ("tuple" in op) {
      const { resource, relation, subject } = op.tuple;
      bytes += resource.length + relation.length + subject.length;
    }
    if ("key" in op) bytes += op.key.length;
    if ("value" in op && op.value !== undefined) bytes += op.value.length + 64;
  }
  return bytes;
}

/** Values that stored ones must be equal to: they take memory while the write waits, and only their commitments go into the log. */
function comparedBytes({ operations }: TransactionRequest): number {
  let bytes = 0;
  for (const op of operations) {
    const isCompared = "condition" in op && op.condition.kind === "value_equals";
    if (isCompared) bytes += op.condition.value.length;
  }
  return bytes;
}

function systemRequest(key: string, value: Uint8Array, reason = ""): TransactionRequest {
  const condition = { kind: "must_not_exist" } as const;
  return {
    operations: [{ op: "set_entity", key, value, expiresAtMs: 0, condition }],
    ...OWN,
    reason,
  };
}

/** @throws LedgerError that an item was refused with */
export function throwIfRefused(outcome: Outcome): void {
  if (outcome.kind !== "refused") return;
  throw new LedgerError(outcome.code, outcome.message, { details: outcome.details });
}

function refusedWith({ code, message, details, retryAfterMs }: LedgerError): TransactionOutcome {
  return {
    kind: "refused",
    code,
    message,
    details,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}
