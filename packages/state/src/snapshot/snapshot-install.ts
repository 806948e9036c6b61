/**
 * Restores a group from the frames of a snapshot into an empty page store (docs/format/snapshot.md).
 *
 * Every vault begins a new incarnation (commitment.md, "Signing rules", 5): its block 0 holds the restored state
 * and names the head that it was restored from. So a restored service is another log with keys of its own, and
 * nothing that it signs can contradict what the old one has signed, also behind the snapshot.
 *
 *   INV-SNAP-6  What is not checked to the end is never given out: only `finish` names the cluster, and a store
 *               without that is not a group's.
 *   INV-SNAP-7  Incarnations only grow, and so do versions and log indexes with them.
 */
import { decodeTransaction, type Predecessor, vaultRef } from "@authledger/proof";
import type { AppliedState, PageStore } from "@authledger/store";
import {
  assert,
  type Hasher,
  INCARNATION_MAX,
  incarnationOrigin,
  LedgerError,
} from "@authledger/types";
import { pack } from "msgpackr";
import { BlockBuilder, type BlockPlace } from "../block-builder.js";
import { nextDigest } from "../digest.js";
import type { SealedTransaction } from "../entry.js";
import { CLUSTER_KEY, type ClusterIdentity } from "../group-state.js";
import { encodeOutcomes } from "../outcome.js";
import { readEntity } from "../reader.js";
import { valuesOf } from "../sealed-values.js";
import {
  decodeEntity,
  encodeVaultEntity,
  type VaultEntity,
  vaultEntityKey,
} from "../system-vault.js";
import { openTables, type Tables } from "../tables.js";
import { BRANCH_CACHE_DEFAULTS } from "../trie/branch-cache.js";
import { openTrie } from "../trie/open-trie.js";
import type { TrieDeps } from "../trie/vault-trie.js";
import { UsageRows } from "../usage.js";
import { VaultRows } from "../vault-rows.js";
import { corruptAt, type Frame, FrameType } from "./frames.js";
import {
  decodeEnd,
  decodeGroup,
  decodeOrganization,
  decodeVault,
  type GroupSection,
} from "./sections.js";
import { VaultRestore } from "./vault-restore.js";

/** Log entries of one incarnation; an index is 48 bits. Tokens of earlier ones are told by theirs. */
const INDEXES_PER_INCARNATION: number = 2 ** 42;
const NO_HASH = new Uint8Array(32);
/** How many vaults a transaction of the system vault renames, and a block of it; there are more where need be. */
export interface RenameLimits {
  readonly transaction: number;
  /** A block is one piece in a frame of the next snapshot, which holds 8 MiB: some 90 bytes are one renaming. */
  readonly block: number;
}

const RENAME_LIMITS: RenameLimits = { transaction: 1_000, block: 10_000 };

/** The index that a group's log begins behind. */
export function firstIndexOf(incarnation: number): number {
  return incarnation * INDEXES_PER_INCARNATION;
}

/** Who the restored group is: what only its new owner can know. */
export interface RestoreAuthority {
  /** 32 hex digits, new for each restore. */
  readonly clusterId: string;
  /** Not before the snapshot's. */
  readonly timeMs: number;
  /** 1 to 31; default one more than the snapshot's. A second restore of one snapshot takes a higher one. */
  readonly incarnation?: number | undefined;
  /** The first transaction of a vault under its new origin, by actor `system`. */
  genesis(origin: string, predecessor: Predecessor, timeMs: number): SealedTransaction;
  /** A transaction of the system vault that sets entities. */
  entities(
    entities: readonly { readonly key: string; readonly value: Uint8Array }[],
    timeMs: number,
  ): SealedTransaction;
}

/** A vault that was restored. */
export interface RestoredVault {
  readonly organization: bigint;
  readonly slug: bigint;
  readonly origin: string;
  /** block_hash(0) of its new history. */
  readonly genesis: Uint8Array;
  readonly predecessor: Predecessor;
  readonly records: number;
}

export interface SnapshotProgress {
  readonly incarnation: number;
  /** Where the snapshot was taken. */
  readonly appliedIndex: number;
  readonly organizations: number;
  readonly vaults: number;
  readonly blocks: number;
  readonly records: number;
  /** Of how many records, as the snapshot says. */
  readonly recordsAbout: number;
}

export class SnapshotInstall {
  readonly #hasher: Hasher;
  readonly #authority: RestoreAuthority;
  readonly #onVault: (vault: RestoredVault) => void;
  readonly #renames: RenameLimits;
  readonly #tables: Tables;
  readonly #rows: VaultRows;
  readonly #trie: TrieDeps;
  /** Names vaults to come by the slugs of their organizations. */
  readonly #renamed: { readonly organization: bigint; readonly slug: bigint }[] = [];
  readonly #genesisHashes: Uint8Array[] = [];
  #group: GroupSection | undefined;
  #current: VaultRestore | undefined;
  #system: VaultRestore | undefined;
  #timeMs = 0;
  #blocks = 0;
  #records = 0;
  #isComplete = false;

  /** `onVault` is told of each vault that is whole and begun anew. */
  constructor(
    store: PageStore,
    hasher: Hasher,
    authority: RestoreAuthority,
    onVault: (vault: RestoredVault) => void,
    renames: RenameLimits = RENAME_LIMITS,
  ) {
    this.#hasher = hasher;
    this.#authority = authority;
    this.#onVault = onVault;
    this.#renames = renames;
    this.#tables = openTables(store);
    this.#rows = new VaultRows(this.#tables);
    this.#trie = openTrie(this.#tables, hasher, BRANCH_CACHE_DEFAULTS);
  }

  get progress(): SnapshotProgress {
    return {
      incarnation: this.#group === undefined ? 0 : this.#incarnation,
      appliedIndex: this.#group?.applied_index ?? 0,
      organizations: this.#rows.organizationCount,
      vaults: this.#rows.vaultCount,
      blocks: this.#blocks + (this.#current?.blocks ?? 0),
      records: this.#records + (this.#current?.records ?? 0),
      recordsAbout: this.#group?.records ?? 0,
    };
  }

  /** Takes the next frame. @throws LedgerError SNAPSHOT_CORRUPT, INVALID_ARGUMENT for the incarnation */
  take(frame: Frame): void {
    const { type, offset } = frame;
    if (this.#isComplete) throw corruptAt(offset, "something follows the end");
    if ((this.#group === undefined) !== (type === FrameType.group)) {
      throw corruptAt(offset, "the group comes first, and once");
    }
    const handler = this.#sections[type];
    if (handler === undefined) throw corruptAt(offset, `a frame of the unknown type ${type}`);
    handler(frame);
  }

  readonly #sections: { readonly [type: number]: (frame: Frame) => void } = {
    [FrameType.group]: (frame) => this.#begin(frame),
    [FrameType.organization]: (frame) => this.#organization(frame),
    [FrameType.vault]: (frame) => this.#vault(frame),
    [FrameType.blocks]: (frame) => this.#open(frame).blocksSection(frame),
    [FrameType.buckets]: (frame) => this.#open(frame).bucketsSection(frame),
    [FrameType.records]: (frame) => this.#open(frame).recordsSection(frame),
    [FrameType.clients]: (frame) => this.#open(frame).clientsSection(frame),
    [FrameType.vaultEnd]: (frame) => this.#endVault(frame),
    [FrameType.end]: (frame) => this.#end(frame),
  };

  /** Writes what lies beside the tables; then the store may be flushed, as that of nobody yet (INV-SNAP-6). */
  prepareFlush(): AppliedState {
    for (const restore of [this.#current, this.#system]) {
      restore?.vault.trie.writeAll();
      if (this.#trie.cache.isOverBudget) restore?.vault.trie.shed();
    }
    return { index: 0, term: 0, configIndex: 0, leaderTimeMs: 0, digest: NO_HASH };
  }

  /**
   * The stream has ended, after so many bytes: names the cluster. What a last flush must hold.
   * @throws LedgerError SNAPSHOT_CORRUPT when it was not all
   */
  finish(offset: number): AppliedState {
    if (!this.#isComplete || this.#group === undefined) {
      throw corruptAt(offset, "the stream ends before the snapshot does");
    }
    const { cluster_origin: origin, applied_term: term } = this.#group;
    const { clusterId: id } = this.#authority;
    const cluster: ClusterIdentity = { id, origin, incarnation: this.#incarnation };
    this.#tables.meta.put(CLUSTER_KEY, pack(cluster));
    this.#system?.vault.trie.writeAll();
    new UsageRows(this.#tables, this.#rows).countAll();
    const index = firstIndexOf(this.#incarnation);
    const results = encodeOutcomes([]);
    const digest = nextDigest(this.#hasher, NO_HASH, index, term, this.#genesisHashes, results);
    return { index, term, configIndex: 0, leaderTimeMs: this.#timeMs, digest };
  }

  get #incarnation(): number {
    return this.#authority.incarnation ?? (this.#group?.incarnation ?? 0) + 1;
  }

  #place(): BlockPlace {
    const index = firstIndexOf(this.#incarnation);
    return { index, term: this.#group!.applied_term, timeMs: this.#timeMs };
  }

  #begin({ payload, offset }: Frame): void {
    this.#group = inForm(offset, () => decodeGroup(payload));
    const { incarnation, leader_time_ms: leaderTimeMs } = this.#group;
    this.#timeMs = Math.max(this.#authority.timeMs, leaderTimeMs);
    const next = this.#incarnation;
    if (next > incarnation && next <= INCARNATION_MAX) return;
    const message = `incarnation ${next}: the snapshot is of ${incarnation}, so it is from ${incarnation + 1} to ${INCARNATION_MAX}`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "incarnation" } });
  }

  #organization({ payload, offset }: Frame): void {
    const row = inForm(offset, () => decodeOrganization(payload));
    if (this.#rows.organizationBySlug(row.slug) !== undefined) {
      throw corruptAt(offset, `organization ${row.slug} comes twice`);
    }
    this.#rows.putOrganization(row);
  }

  #vault({ payload, offset }: Frame): void {
    if (this.#current !== undefined) throw corruptAt(offset, "a vault has no end");
    const { row, salt, isEmpty } = inForm(offset, () => decodeVault(payload));
    const { organization, slug, origin: before } = row;
    const origin = inForm(offset, () => incarnationOrigin(before, this.#incarnation));
    if (this.#rows.organization(organization) === undefined) {
      throw corruptAt(offset, `vault ${slug} is of no organization`);
    }
    if (this.#rows.vaultBySlug(organization, slug) !== undefined) {
      throw corruptAt(offset, `vault ${slug} comes twice`);
    }
    const restored = this.#rows.addVault({ ...row, origin, salt });
    if (isEmpty) return;
    this.#current = new VaultRestore(restored, before, this.#tables, this.#trie);
    if (restored.id > 0) this.#renamed.push({ organization: restored.organizationSlug, slug });
  }

  #open({ offset }: Frame): VaultRestore {
    if (this.#current !== undefined) return this.#current;
    throw corruptAt(offset, "a section of a vault outside of one");
  }

  /** The vault is whole: its block 0 begins a new history with its state. */
  #endVault(frame: Frame): void {
    const restore = this.#open(frame);
    const predecessor = restore.endSection(frame);
    const { vault, records } = restore;
    const { origin, organizationSlug: organization, slug } = vault.row;
    this.#append(restore, [this.#authority.genesis(origin, predecessor, this.#timeMs)]);
    const genesis = vault.tip.blockHash;
    this.#genesisHashes.push(genesis);
    vault.trie.writeAll();
    if (vault.id === 0) this.#system = restore;
    else vault.trie.evict();
    this.#blocks += restore.blocks;
    this.#records += records;
    this.#current = undefined;
    this.#onVault({ organization, slug, origin, genesis, predecessor, records });
  }

  /** One block of system transactions. */
  #append({ vault }: VaultRestore, transactions: readonly SealedTransaction[]): void {
    const builder = new BlockBuilder(vault, this.#place(), this.#tables, this.#hasher);
    for (const sealed of transactions) {
      const transaction = decodeTransaction(sealed.canonical);
      const values = valuesOf(this.#hasher, sealed, transaction);
      const { kind } = builder.run(transaction, sealed.canonical, values);
      assert(kind === "accepted", "what a restore sets has no conditions", { vault: vault.id });
    }
    builder.finish();
  }

  /** The end of the stream; the system vault learns the new names of the vaults, in its blocks from 1 on. */
  #end({ payload, offset }: Frame): void {
    const vaults = inForm(offset, () => decodeEnd(payload));
    const system = this.#system;
    const { organizationCount, vaultCount } = this.#rows;
    const isWhole = vaults === vaultCount && this.#group?.organizations === organizationCount;
    if (this.#current !== undefined || system === undefined || !isWhole) {
      throw corruptAt(offset, `${vaultCount} of ${vaults} vaults came whole`);
    }
    const { transaction, block } = this.#renames;
    for (const ofBlock of partsOf(this.#renamed, block)) {
      const transactions = partsOf(ofBlock, transaction).map((part) => {
        const entities = part.flatMap((name) => this.#renaming(system, name) ?? []);
        return this.#authority.entities(entities, this.#timeMs);
      });
      this.#append(system, transactions);
    }
    this.#isComplete = true;
  }

  /** What the system vault says of a vault, under its new origin; undefined where it says nothing. */
  #renaming(
    system: VaultRestore,
    { organization, slug }: { readonly organization: bigint; readonly slug: bigint },
  ): { readonly key: string; readonly value: Uint8Array } | undefined {
    const key = vaultEntityKey(organization, slug);
    const found = readEntity(system.vault, key, 0);
    if (found === undefined) return undefined;
    const entity = decodeEntity<VaultEntity>(found.value);
    const row = this.#rows.vaultBySlug(this.#rows.organizationBySlug(organization)!.id, slug)!;
    const { origin, salt } = row;
    const reference = vaultRef(this.#hasher, origin, salt);
    return { key, value: encodeVaultEntity({ ...entity, origin, vaultRef: reference }) };
  }
}

function partsOf<T>(all: readonly T[], max: number): readonly (readonly T[])[] {
  const count = Math.ceil(all.length / max);
  return Array.from({ length: count }, (_, i) => all.slice(i * max, (i + 1) * max));
}

function inForm<T>(offset: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof LedgerError) throw corruptAt(offset, error.message);
    throw error;
  }
}
