/**
 * The state machine of a group: applies log entries to the page store, and opens vaults for readers.
 *
 *   INV-STATE-1  What an entry does depends on the state before it and its bytes alone.
 *   INV-STATE-2  An entry is applied without awaiting: no reader sees half of it.
 *   INV-STATE-3  Before a flush everything that lives beside the tables is written to them.
 *
 * It knows no log and signs nothing: the engine feeds it committed entries and decides when to flush.
 */
import { type CanonicalTransaction, decodeHeader, decodeTransaction } from "@authledger/proof";
import type { AppliedState, PageStore, Pin } from "@authledger/store";
import { assert, type Hasher, LedgerError, type OperationStatus } from "@authledger/types";
import { pack, unpack } from "msgpackr";
import { BlockBuilder, type BlockPlace } from "./block-builder.js";
import { type ClientState, clientKey, decodeClientRow, encodeClientRow } from "./client-row.js";
import { nextDigest } from "./digest.js";
import {
  type CreateVaultItem,
  decodeEntry,
  type EntryItem,
  type EraseItem,
  type InitItem,
  type PolicyChangeItem,
  type SealedTransaction,
  type TransactionItem,
} from "./entry.js";
import { eraseValues } from "./erase.js";
import { preconditionFailed } from "./failed-condition.js";
import { Idempotency } from "./idempotency.js";
import { type LifecycleDeps, setStatus, sweep } from "./lifecycle.js";
import { OpenVault } from "./open-vault.js";
import { encodeOutcomes, type Outcome, type Refusal } from "./outcome.js";
import { KEEP_ALL, oldestBlock, prune } from "./past/retention.js";
import { checkPolicyChange, putPolicyBundle, putPolicyChange } from "./policy-rows.js";
import { valuesOf } from "./sealed-values.js";
import {
  decodeEntity,
  type OrganizationEntity,
  organizationOfKey,
  retentionBlocksOf,
  SYSTEM_ORGANIZATION_NAME,
  SYSTEM_VAULT,
  type VaultEntity,
  vaultOfKey,
} from "./system-vault.js";
import { openTables, type Tables, u32Key } from "./tables.js";
import { checkTransaction } from "./transaction-limits.js";
import {
  BRANCH_CACHE_DEFAULTS,
  type BranchCache,
  type BranchCacheOptions,
} from "./trie/branch-cache.js";
import { openTrie } from "./trie/open-trie.js";
import type { TrieDeps } from "./trie/vault-trie.js";
import { noChange, UsageRows } from "./usage.js";
import { isGone, type VaultRow, VaultRows } from "./vault-rows.js";

/** Vaults in memory after a flush (about 40 KiB each beside their branches); more are opened as needed. */
export const OPEN_VAULTS_MAX = 1_024;

/** With so many times as many vaults open a flush is due, be it for nothing else: readers open them too. */
const CROWDED_FACTOR = 4;

/** Work of an entry beside its blocks: digest, decoding. */
const ENTRY_WORK = 4;
/**
 * Work of a block beside its leaves: the vault may have to be opened first; header, history, transaction and
 * idempotency rows. 280 us in all with one tuple (bench/vaults.mjs).
 */
const BLOCK_WORK = 8;

/** Rows that are swept in the time of one unit of work. */
const ROWS_PER_WORK = 8;

/** After each block: one goes for one that came, and another one where there are more. */
const PRUNE_AFTER_BLOCK = { blocksMax: 2, operationsMax: 1_000 };

/** What an item of its own removes: some 10 ms. */
const PRUNE_STEP = { blocksMax: 256, operationsMax: 1_000 };

/** Rows of branches written in one step: about 5 ms. */
const SETTLE_ROWS = 4_096;

export const CLUSTER_KEY: Uint8Array = new TextEncoder().encode("cluster");
/** Who belongs to the group, in the bytes of the group's owner. */
const CONFIGURATION_KEY: Uint8Array = new TextEncoder().encode("configuration");

/** Who the cluster is, from its init entry. */
export interface ClusterIdentity {
  readonly id: string;
  readonly origin: string;
  /** How often the group was restored from a snapshot; absent for never. */
  readonly incarnation?: number;
}

export interface AppliedBlock {
  readonly vault: number;
  readonly height: number;
  readonly blockHash: Uint8Array;
}

/** What an entry did. */
export interface AppliedEntry {
  readonly outcomes: readonly Outcome[];
  readonly blocks: readonly AppliedBlock[];
}

/** Of what no client has sent. */
const NO_PAYLOAD = new Uint8Array(32);

export interface GroupStateOptions extends BranchCacheOptions {
  /** OPEN_VAULTS_MAX where it is absent. */
  readonly openVaultsMax?: number;
}

/** Which blocks of a vault there are. */
interface VaultExtent {
  readonly height: number;
  /** As OpenVault.oldest. */
  readonly oldest: number;
}

/** An entry being applied. */
interface Batch {
  readonly place: BlockPlace;
  readonly builders: Map<number, BlockBuilder>;
}

export class GroupState {
  readonly #hasher: Hasher;
  readonly #options: GroupStateOptions;
  readonly #openVaultsMax: number;
  #rows: VaultRows;
  #tables: Tables;
  #store: PageStore;
  #idempotency: Idempotency;
  #usage: UsageRows;
  #trie: TrieDeps;
  #cache: BranchCache;
  readonly #vaults = new Map<number, OpenVault>();
  #applied: AppliedState;
  #work = 0;
  #cluster: ClusterIdentity | undefined;
  /** Branches that the last flush left in memory. */
  #branchesKept = 0;
  /** An entry is half applied; it stays so when applying it threw. */
  #isHalf = false;

  constructor(
    store: PageStore,
    hasher: Hasher,
    options: GroupStateOptions = BRANCH_CACHE_DEFAULTS,
  ) {
    this.#store = store;
    this.#hasher = hasher;
    this.#options = options;
    this.#openVaultsMax = options.openVaultsMax ?? OPEN_VAULTS_MAX;
    this.#tables = openTables(store);
    this.#rows = new VaultRows(this.tables);
    this.#idempotency = new Idempotency(this.tables.idempotency, this.tables.idempotencyAge);
    this.#usage = new UsageRows(this.tables, this.rows);
    this.#trie = openTrie(this.tables, hasher, options);
    this.#cache = this.#trie.cache;
    this.#applied = store.applied;
    const cluster = this.tables.meta.get(CLUSTER_KEY);
    if (cluster !== undefined) this.#cluster = unpack(cluster) as ClusterIdentity;
  }

  /**
   * Becomes the state that another page store holds, in place: who holds this object works on that one from now on.
   * Vaults and cursors that were opened before keep reading the old store for as long as it is open.
   */
  reopen(store: PageStore): void {
    const fresh = new GroupState(store, this.#hasher, this.#options);
    this.#rows = fresh.#rows;
    this.#tables = fresh.#tables;
    this.#store = store;
    this.#idempotency = fresh.#idempotency;
    this.#usage = fresh.#usage;
    this.#trie = fresh.#trie;
    this.#cache = fresh.#cache;
    this.#vaults.clear();
    this.#branchesKept = 0;
    this.#isHalf = false;
    this.#applied = fresh.#applied;
    this.#cluster = fresh.#cluster;
  }

  get rows(): VaultRows {
    return this.#rows;
  }

  /** What vaults and organizations hold. */
  get usage(): UsageRows {
    return this.#usage;
  }

  get tables(): Tables {
    return this.#tables;
  }

  /** The last entry applied; time and digest are those at it. */
  get applied(): AppliedState {
    return this.#applied;
  }

  /**
   * What applying has cost since the state was opened, and will cost when it is done again: leaves changed, and
   * some for each block and entry. One is about 25 us.
   */
  get work(): number {
    return this.#work;
  }

  /** How often the group was restored from a snapshot. */
  get incarnation(): number {
    return this.#cluster?.incarnation ?? 0;
  }

  /** Absent before the group's init entry. */
  get cluster(): ClusterIdentity | undefined {
    return this.#cluster;
  }

  /** What `applyConfiguration` was last given; undefined before the first. */
  get configuration(): Uint8Array | undefined {
    return this.tables.meta.get(CONFIGURATION_KEY);
  }

  /** Bytes of branches in memory. */
  get branchBytes(): number {
    return this.#cache.pool.bytes;
  }

  /** @throws LedgerError VAULT_NOT_FOUND, VAULT_DELETED */
  requireVault(id: number): OpenVault {
    const vault = this.vault(id);
    if (vault !== undefined) return vault;
    const row = this.rows.vault(id);
    if (row === undefined) throw new LedgerError("VAULT_NOT_FOUND", "there is no such vault");
    throw vaultDeleted(row);
  }

  /**
   * A vault of which is read and written: not of an organization that is out of service.
   * @throws LedgerError VAULT_NOT_FOUND, VAULT_DELETED, ORGANIZATION_SUSPENDED
   */
  requireServed(id: number): OpenVault {
    const vault = this.requireVault(id);
    const organization = this.rows.organization(vault.row.organization);
    if (organization?.status === "suspended") throw organizationSuspended(organization.slug);
    return vault;
  }

  /** Is it of an organization that is in service? */
  isServed(id: number): boolean {
    const organization = this.rows.vault(id)?.organization;
    return (
      organization !== undefined && this.rows.organization(organization)?.status !== "suspended"
    );
  }

  /** An existing vault that is not deleted, opened. */
  vault(id: number): OpenVault | undefined {
    const open = this.#vaults.get(id);
    if (open !== undefined) {
      this.#vaults.delete(id);
      this.#vaults.set(id, open);
      return open;
    }
    const row = this.rows.vault(id);
    if (row === undefined || isGone(row)) return undefined;
    const vault = new OpenVault(row, this.tables, this.#trie);
    this.#vaults.set(id, vault);
    return vault;
  }

  /**
   * Is so much in memory that a flush is due, be it for nothing else? Reads open vaults and load branches, and only a
   * flush lets go of them.
   */
  get isCrowded(): boolean {
    const loaded = this.#cache.pool.live - this.#branchesKept;
    return (
      this.#vaults.size > CROWDED_FACTOR * this.#openVaultsMax || loaded > this.#options.residentMax
    );
  }

  /** How many vaults are open. */
  get openVaults(): number {
    return this.#vaults.size;
  }

  /** The blocks of an existing vault that is not deleted; does not open it. */
  extent(id: number): VaultExtent | undefined {
    const row = this.rows.vault(id);
    if (row === undefined || isGone(row)) return undefined;
    const tip = this.tables.tip.get(u32Key(id));
    const height = tip === undefined ? -1 : decodeHeader(tip).height;
    return { height, oldest: oldestBlock(this.tables, id) ?? height + 1 };
  }

  /** A vault that is open already; does not open it. */
  openVault(id: number): OpenVault | undefined {
    return this.#vaults.get(id);
  }

  /** The last sequence of a client in a vault, 0 before the first. */
  lastSequence(vault: number, clientId: string): number {
    return this.clientState(vault, clientId)?.sequence ?? 0;
  }

  /** What a client did last in a vault; undefined before its first transaction. */
  clientState(vault: number, clientId: string): ClientState | undefined {
    const row = this.tables.client.get(clientKey(vault, clientId));
    return row && decodeClientRow(row);
  }

  /** Is a request under this key remembered, be it the same or another one? */
  isRemembered(
    vault: number,
    {
      clientId,
      idempotencyKey: key,
    }: { readonly clientId: string; readonly idempotencyKey: string },
    { payloadHash, timeMs }: { readonly payloadHash: Uint8Array; readonly timeMs: number },
  ): boolean {
    if (key === "") return false;
    return this.#idempotency.lookup(vault, clientId, key, payloadHash, timeMs).kind !== "unknown";
  }

  /**
   * Applies a committed entry.
   * @throws LedgerError UNKNOWN_OP_CODE: this version does not know the entry, the node must stop
   */
  apply(index: number, term: number, payload: Uint8Array): AppliedEntry {
    this.#requireNext(index);
    if (payload.length === 0) return this.#finish(index, term, this.#applied.leaderTimeMs, [], []);
    const entry = decodeEntry(payload);
    assert(entry.timeMs >= this.#applied.leaderTimeMs, "time does not go back", { index });
    this.#isHalf = true;
    const batch: Batch = {
      place: { index, term, timeMs: entry.timeMs },
      builders: new Map(),
    };
    const outcomes = entry.items.map((item) => this.#applyItem(batch, item));
    const blocks: AppliedBlock[] = [];
    for (const [vault, builder] of [...batch.builders].sort(([a], [b]) => a - b)) {
      if (builder.transactionCount === 0) continue;
      const { organization } = builder.vault.row;
      this.#usage.begin(vault, organization);
      const { blockHash, leavesChanged, usage } = builder.finish();
      blocks.push({ vault, height: builder.height, blockHash });
      this.#work += BLOCK_WORK + leavesChanged;
      const pruned = prune(this.tables, builder.vault, PRUNE_AFTER_BLOCK);
      this.#work += pruned.operations;
      usage.historyBytes -= pruned.bytes;
      this.#usage.change(vault, organization, usage);
    }
    return this.#finish(index, term, entry.timeMs, outcomes, blocks);
  }

  /**
   * Applies a committed change of who belongs to the group. The bytes are the owner's, the same on every replica: they
   * are kept in the same commit as the applied index (museum row 20), and the group digest covers them.
   */
  applyConfiguration(index: number, term: number, configuration: Uint8Array): void {
    this.#requireNext(index);
    this.tables.meta.put(CONFIGURATION_KEY, configuration);
    const { leaderTimeMs, digest } = this.#applied;
    const next = nextDigest(this.#hasher, digest, index, term, [], configuration);
    this.#advance({ index, term, configIndex: index, leaderTimeMs, digest: next });
  }

  /**
   * Writes most of what lives beside the tables in steps of some milliseconds, between which entries may be
   * applied; then `prepareFlush` finds little to do.
   */
  *settle(): Generator<void> {
    let rows = 0;
    for (const { trie } of [...this.#vaults.values()]) {
      for (const written of trie.writeRows()) {
        rows += written;
        if (rows < SETTLE_ROWS) continue;
        rows = 0;
        yield;
      }
    }
  }

  /** Writes what lives beside the tables; the state that a flush holds (INV-STATE-3). */
  prepareFlush(): AppliedState {
    this.#requireWhole();
    for (const { trie } of this.#vaults.values()) trie.writeAll();
    if (this.#cache.isOverBudget) for (const { trie } of this.#vaults.values()) trie.shed();
    for (const [id, vault] of this.#vaults) {
      if (this.#vaults.size <= this.#openVaultsMax) break;
      vault.trie.evict();
      this.#vaults.delete(id);
    }
    this.#branchesKept = this.#cache.pool.live;
    this.#store.endBatch();
    return this.#applied;
  }

  /** A view of everything applied so far, rows of tries included (INV-STATE-3), that has no age limit. */
  pinForExport(): Pin {
    this.#requireWhole();
    for (const { trie } of this.#vaults.values()) trie.writeAll();
    return this.#store.pin("export");
  }

  #finish(
    index: number,
    term: number,
    leaderTimeMs: number,
    outcomes: readonly Outcome[],
    blocks: readonly AppliedBlock[],
  ): AppliedEntry {
    const digest = nextDigest(
      this.#hasher,
      this.#applied.digest,
      index,
      term,
      blocks.map(({ blockHash }) => blockHash),
      encodeOutcomes(outcomes),
    );
    const { configIndex } = this.#applied;
    this.#advance({ index, term, configIndex, leaderTimeMs, digest });
    return { outcomes, blocks };
  }

  #requireNext(index: number): void {
    const { index: applied } = this.#applied;
    assert(index === applied + 1, "entries are applied in order", { index, applied });
  }

  /** What has thrown half-way is never written: the node stops, and applies it again from what was there before. */
  #requireWhole(): void {
    assert(!this.#isHalf, "INV-STATE-2: nobody sees half of an entry", {
      behind: this.#applied.index,
    });
  }

  #advance(applied: AppliedState): void {
    this.#applied = applied;
    this.#isHalf = false;
    this.#work += ENTRY_WORK;
    this.#store.endBatch();
  }

  #applyItem(batch: Batch, item: EntryItem): Outcome {
    try {
      switch (item.kind) {
        case "transaction":
          this.requireServed(item.vault);
          return this.#applyTransaction(batch, item);
        case "erase":
          return this.#erase(batch, item);
        case "create_vault":
          return this.#createVault(batch, item);
        case "init":
          return this.#initialize(batch, item);
        case "set_status":
          return setStatus(item, this.#lifecycle(batch));
        case "sweep": {
          const outcome = sweep(item, this.#lifecycle(batch));
          if (outcome.kind === "swept") this.#work += Math.ceil(outcome.removed / ROWS_PER_WORK);
          return outcome;
        }
        case "prune":
          return this.#prune(item.vault);
        case "policy_change":
          return this.#changePolicy(batch, item);
        case "policy_bundle":
          this.requireVault(item.vault);
          putPolicyBundle(this.tables, item);
          return { kind: "policy_kept", vault: item.vault, epoch: item.epoch };
      }
    } catch (error) {
      if (error instanceof LedgerError && isRefusal(error)) return refusalOf(error);
      throw error;
    }
  }

  #lifecycle(batch: Batch): LifecycleDeps {
    return {
      rows: this.rows,
      tables: this.tables,
      register: (sealed) => {
        const transaction = decodeTransaction(sealed.canonical);
        this.#run(this.#builder(batch, SYSTEM_VAULT), sealed, transaction);
      },
      settledHeight: (id) => {
        const isChanged = (batch.builders.get(id)?.transactionCount ?? 0) > 0;
        return isChanged ? undefined : this.vault(id)?.height;
      },
      close: (id) => {
        this.#usage.closing(id, this.rows.vault(id)!.organization);
        batch.builders.delete(id);
        const { trie } = this.vault(id)!;
        trie.writeAll();
        trie.evict();
        this.#vaults.delete(id);
        this.#idempotency.forgetCount(id);
      },
    };
  }

  #builder(batch: Batch, vaultId: number): BlockBuilder {
    const known = batch.builders.get(vaultId);
    if (known !== undefined) return known;
    const vault = this.requireVault(vaultId);
    const builder = new BlockBuilder(vault, batch.place, this.tables, this.#hasher);
    batch.builders.set(vaultId, builder);
    return builder;
  }

  #applyTransaction(batch: Batch, item: TransactionItem): Outcome {
    const transaction = decodeTransaction(item.transaction.canonical);
    const { vault, idempotencyKey: key, payloadHash } = item;
    const { timeMs } = batch.place;
    checkTransaction(transaction, key);
    // Before what is remembered: nothing is told of a deleted vault.
    this.requireVault(vault);
    if (key !== "") {
      const { clientId } = transaction;
      const found = this.#idempotency.lookup(vault, clientId, key, payloadHash, timeMs);
      if (found.kind === "reused") {
        const message = `the idempotency key "${key}" was used with another request`;
        throw new LedgerError("IDEMPOTENCY_KEY_REUSED", message, { details: { key } });
      }
      if (found.kind === "same") {
        return { kind: "applied", vault, transaction: found.remembered, replayed: true };
      }
    }
    const builder = this.#builder(batch, vault);
    const statuses = this.#run(builder, item.transaction, transaction);
    const remembered = {
      transactionId: transaction.id.slice(),
      sequence: transaction.sequence,
      height: builder.height,
      index: builder.transactionCount - 1,
      statuses,
    };
    this.#noteClient(vault, transaction.clientId, remembered);
    if (key !== "") {
      const { clientId } = transaction;
      this.#idempotency.remember(vault, clientId, key, payloadHash, timeMs, remembered);
    }
    if (vault === SYSTEM_VAULT) {
      this.#noteOrganizations(transaction, item.transaction);
      this.#noteVaults(transaction, item.transaction);
    }
    return { kind: "applied", vault, transaction: remembered, replayed: false };
  }

  /** @throws LedgerError PRECONDITION_FAILED and what else refuses a transaction */
  #run(
    builder: BlockBuilder,
    sealed: SealedTransaction,
    transaction: CanonicalTransaction,
  ): readonly OperationStatus[] {
    const values = valuesOf(this.#hasher, sealed, transaction);
    const result = builder.run(transaction, sealed.canonical, values);
    if (result.kind === "accepted") return result.statuses;
    throw preconditionFailed(this.#hasher, result.failure, (key) => [
      ...sealed.values,
      builder.value(key),
    ]);
  }

  #noteClient(vault: number, clientId: string, last: ClientState): void {
    if (clientId === "") return;
    this.tables.client.put(clientKey(vault, clientId), encodeClientRow(last));
  }

  /** Rows of organizations follow from the system vault's entities. */
  #noteOrganizations(transaction: CanonicalTransaction, sealed: SealedTransaction): void {
    let next = 0;
    for (const op of transaction.ops) {
      if (!("value" in op) || op.value === undefined) continue;
      const nonced = sealed.values[next++]!;
      const slug = op.op === "set_entity" ? organizationOfKey(op.key) : undefined;
      if (slug === undefined) continue;
      const entity = decodeEntity<OrganizationEntity>(nonced.value);
      const { name, status, created_ms: createdAtMs } = entity;
      this.rows.putOrganization({ slug, name, status, createdAtMs });
    }
  }

  /** What may change in a vault: its name, status and retention. */
  #noteVaults(transaction: CanonicalTransaction, sealed: SealedTransaction): void {
    let next = 0;
    for (const op of transaction.ops) {
      if (!("value" in op) || op.value === undefined) continue;
      const nonced = sealed.values[next++]!;
      const names = op.op === "set_entity" ? vaultOfKey(op.key) : undefined;
      const organization = names && this.rows.organizationBySlug(names.organization);
      const known = organization && this.rows.vaultBySlug(organization.id, names!.slug);
      if (known === undefined) continue;
      const entity = decodeEntity<VaultEntity>(nonced.value);
      const { name, status } = entity;
      const change = { name, status, retentionBlocks: retentionBlocksOf(entity) };
      const row = this.rows.updateVault(known.id, change);
      const open = this.#vaults.get(known.id);
      if (open !== undefined && row !== undefined) open.row = row;
    }
  }

  /** The ledger's own transaction, and what clients that come later need of the policy before. */
  #changePolicy(batch: Batch, item: PolicyChangeItem): Outcome {
    const { vault, transaction } = item;
    this.requireVault(vault);
    checkPolicyChange(this.tables, item);
    const own = { kind: "transaction", idempotencyKey: "", payloadHash: NO_PAYLOAD } as const;
    const outcome = this.#applyTransaction(batch, { ...own, vault, transaction });
    putPolicyChange(this.tables, item);
    return outcome;
  }

  /** Earlier values go; that they went is said in the system vault. */
  #erase(batch: Batch, { vault, path, registration }: EraseItem): Outcome {
    const open = this.requireServed(vault);
    const { organization } = open.row;
    const transaction = decodeTransaction(registration.canonical);
    this.#run(this.#builder(batch, SYSTEM_VAULT), registration, transaction);
    this.#usage.begin(vault, organization);
    const { timeMs } = batch.place;
    const { erased, bytes, isDone } = eraseValues(this.tables, open, { path, timeMs });
    this.#usage.change(vault, organization, { ...noChange(), historyBytes: -bytes });
    this.#work += Math.ceil(erased / ROWS_PER_WORK);
    return { kind: "erased", vault, versions: erased, isDone };
  }

  /** A step towards a vault's retention, where blocks do not come that would bring it there. */
  #prune(id: number): Outcome {
    const vault = this.vault(id);
    if (vault === undefined) throw new LedgerError("VAULT_NOT_FOUND", "there is no such vault");
    const { organization } = vault.row;
    this.#usage.begin(id, organization);
    const { operations, bytes } = prune(this.tables, vault, PRUNE_STEP);
    this.#work += operations;
    this.#usage.change(id, organization, { ...noChange(), historyBytes: -bytes });
    return { kind: "pruned", vault: id, oldest: vault.oldest };
  }

  #createVault(batch: Batch, item: CreateVaultItem): Outcome {
    const organization = this.rows.organizationBySlug(item.organization);
    if (organization === undefined) {
      throw new LedgerError(
        "ORGANIZATION_NOT_FOUND",
        `there is no organization ${item.organization}`,
      );
    }
    if (organization.status === "suspended") throw organizationSuspended(organization.slug);
    if (organization.status !== "active") {
      const message = `organization ${item.organization} is ${organization.status}`;
      throw new LedgerError("ORGANIZATION_NOT_ACTIVE", message);
    }
    if (this.rows.vaultBySlug(organization.id, item.slug) !== undefined) {
      const message = `organization ${item.organization} has a vault ${item.slug} already`;
      throw new LedgerError("PRECONDITION_FAILED", message);
    }
    const registration = decodeTransaction(item.registration.canonical);
    this.#run(this.#builder(batch, SYSTEM_VAULT), item.registration, registration);
    const entity = decodeEntity<VaultEntity>(item.registration.values[0]!.value);
    const { name, status, origin, created_ms: createdAtMs } = entity;
    this.#usage.opening(organization.id);
    const row = this.rows.addVault({
      organization: organization.id,
      slug: item.slug,
      name,
      status,
      createdAtMs,
      origin,
      salt: item.salt.slice(),
      retentionBlocks: retentionBlocksOf(entity),
    });
    this.#runGenesis(batch, row.id, item.genesis);
    return { kind: "vault_created", vault: row.id };
  }

  #initialize(batch: Batch, item: InitItem): Outcome {
    if (this.#cluster !== undefined) {
      throw new LedgerError("PRECONDITION_FAILED", `the cluster is ${this.#cluster.id} already`);
    }
    const { clusterId: id, clusterOrigin: origin } = item;
    this.#cluster = { id, origin };
    this.tables.meta.put(CLUSTER_KEY, pack(this.#cluster));
    const { timeMs: createdAtMs } = batch.place;
    const name = SYSTEM_ORGANIZATION_NAME;
    const organization = this.rows.putOrganization({
      slug: 0n,
      name,
      status: "active",
      createdAtMs,
    });
    this.#usage.opening(organization.id);
    const row = this.rows.addVault({
      organization: organization.id,
      slug: 0n,
      name,
      status: "active",
      createdAtMs,
      origin: `${origin}/0/0`,
      salt: item.salt.slice(),
      retentionBlocks: KEEP_ALL,
    });
    assert(row.id === SYSTEM_VAULT, "the system vault comes first", { id: row.id });
    this.#runGenesis(batch, row.id, item.genesis);
    return { kind: "initialized" };
  }

  /** The vault's row is written: its genesis cannot be refused any more, and nothing in it asks for anything. */
  #runGenesis(batch: Batch, vault: number, genesis: SealedTransaction): void {
    const transaction = decodeTransaction(genesis.canonical);
    const values = valuesOf(this.#hasher, genesis, transaction);
    const { kind } = this.#builder(batch, vault).run(transaction, genesis.canonical, values);
    assert(kind === "accepted", "a genesis sets records and has no conditions", { vault });
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  "VAULT_NOT_FOUND",
  "ORGANIZATION_NOT_FOUND",
  "VAULT_DELETED",
  "ORGANIZATION_NOT_ACTIVE",
  "ORGANIZATION_NOT_EMPTY",
  "ORGANIZATION_SUSPENDED",
  "PRECONDITION_FAILED",
  "IDEMPOTENCY_KEY_REUSED",
  "PATH_COLLISION",
  "RECORD_TOO_LARGE",
  "LIMIT_EXCEEDED",
  "INVALID_ARGUMENT",
]);

function isRefusal({ code }: LedgerError): boolean {
  return REFUSALS.has(code);
}

function refusalOf({ code, message, details }: LedgerError): Refusal {
  return { kind: "refused", code, message, details };
}

function organizationSuspended(slug: bigint): LedgerError {
  const message = `organization ${slug} is suspended: nothing of it is read or written until it is resumed`;
  return new LedgerError("ORGANIZATION_SUSPENDED", message, {
    details: { organization: String(slug), status: "suspended" },
  });
}

function vaultDeleted({ organizationSlug, slug, status }: VaultRow): LedgerError {
  const message = `vault ${slug} of organization ${organizationSlug} is ${status}`;
  return new LedgerError("VAULT_DELETED", message, {
    details: { organization: String(organizationSlug), vault: String(slug), status },
  });
}
