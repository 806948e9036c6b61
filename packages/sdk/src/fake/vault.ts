/**
 * A vault of a fake ledger: all versions of all records in memory, so that every height can be asked for. What
 * operations do is the executor of `@authledger/proof`, the same that a node and an auditor run.
 */
import {
  BlockExecutor,
  type CanonicalTransaction,
  encodeTransaction,
  type FailedCondition,
  Kind,
  keyId,
  type LedgerKey,
  PathHasher,
  type StoredRecord,
} from "@authledger/proof";
import { LedgerError, type OperationStatus, toHex } from "@authledger/types";
import { nodeCrypto } from "../verify/node-crypto.js";

/** A value as it lies behind its digest. */
export interface NoncedValue {
  readonly nonce: Uint8Array;
  readonly value: Uint8Array;
}

/** A record with its value, where it has one. */
interface Stored {
  readonly record: StoredRecord;
  readonly value: NoncedValue | undefined;
}

/** All that a key ever held, in the order of the heights; absent since a height = deleted there. */
interface Row {
  readonly key: LedgerKey;
  readonly path: Uint8Array;
  readonly versions: { readonly height: number; readonly stored: Stored | undefined }[];
}

/** What is stored under a key at a height. */
export interface Found extends Stored {
  readonly key: LedgerKey;
  readonly path: Uint8Array;
}

export interface FakeBlock {
  readonly timeMs: number;
  readonly index: number;
  /** Canonical bytes. */
  readonly transactions: readonly Uint8Array[];
  /** What they did. */
  readonly executed: readonly ExecutedTransaction[];
}

interface ExecutedTransaction {
  readonly transaction: CanonicalTransaction;
  readonly statuses: readonly OperationStatus[];
}

export interface VaultIdentity {
  readonly organization: bigint;
  readonly slug: bigint;
  readonly name: string;
  readonly origin: string;
  readonly salt: Uint8Array;
  readonly createdAtMs: number;
}

export class FakeVault {
  readonly identity: VaultIdentity;
  name: string;
  /** The newest blocks that can be read; 0 = all. */
  retentionBlocks = 0;
  #oldest = 0;
  readonly paths: PathHasher;
  readonly blocks: FakeBlock[] = [];
  readonly #rows = new Map<string, Row>();
  /** Those who wait for the next block. */
  readonly #waiting = new Set<() => void>();

  constructor(identity: VaultIdentity) {
    this.identity = identity;
    this.name = identity.name;
    this.paths = new PathHasher(nodeCrypto.hasher, identity.salt);
  }

  /** The oldest block that can be read; what once was older does not come back. */
  get oldest(): number {
    if (this.retentionBlocks > 0) {
      this.#oldest = Math.max(this.#oldest, this.size - this.retentionBlocks);
    }
    return this.#oldest;
  }

  keep(blocks: number): void {
    this.#oldest = this.oldest;
    this.retentionBlocks = blocks;
  }

  /** @throws LedgerError HEIGHT_UNAVAILABLE */
  requireKept(height: number): void {
    const { oldest } = this;
    if (height >= oldest) return;
    const newest = this.size - 1;
    const message = `block ${height} is not kept any more: heights ${oldest} to ${newest} can be read`;
    throw new LedgerError("HEIGHT_UNAVAILABLE", message, { details: { height, oldest, newest } });
  }

  /** Blocks: newest height + 1. */
  get size(): number {
    return this.blocks.length;
  }

  get tip(): FakeBlock {
    return this.blocks.at(-1)!;
  }

  /** Expired or not. */
  get(key: LedgerKey, height: number): Found | undefined {
    const row = this.#rows.get(keyId(key));
    return row && foundAt(row, height);
  }

  /** Everything that a height holds, in the order of the paths; expired or not. */
  records(height: number, wanted: (key: LedgerKey) => boolean = () => true): Found[] {
    const found: Found[] = [];
    for (const row of this.#rows.values()) {
      const at = wanted(row.key) ? foundAt(row, height) : undefined;
      if (at !== undefined) found.push(at);
    }
    return found.sort((a, b) => Buffer.compare(a.path, b.path));
  }

  /** Resolves with the next block, or when the signal is aborted. */
  moved(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      if (signal.aborted) return resolve();
      this.#waiting.add(wake);
      signal.addEventListener("abort", wake);
    });
  }

  /** Begins the next block. */
  begin(timeMs: number, index: number): BlockBuilder {
    return new BlockBuilder(this, timeMs, index);
  }

  /** Takes a block. */
  append(
    block: FakeBlock,
    executor: BlockExecutor,
    values: ReadonlyMap<string, NoncedValue>,
  ): void {
    const height = this.size;
    for (const { key, after } of executor.netChanges()) {
      const id = keyId(key);
      let row = this.#rows.get(id);
      if (row === undefined) {
        row = { key, path: this.paths.path(key), versions: [] };
        this.#rows.set(id, row);
      }
      const value = key.kind === Kind.tupleBySubject ? undefined : values.get(id);
      row.versions.push({ height, stored: after && { record: after, value } });
    }
    this.blocks.push(block);
    for (const wake of [...this.#waiting]) wake();
  }
}

/** One block in the making. */
export class BlockBuilder {
  readonly height: number;
  readonly timeMs: number;
  readonly #vault: FakeVault;
  readonly #index: number;
  readonly #executor: BlockExecutor;
  readonly #transactions: Uint8Array[] = [];
  readonly #executed: ExecutedTransaction[] = [];
  readonly #values = new Map<string, NoncedValue>();

  constructor(vault: FakeVault, timeMs: number, index: number) {
    this.#vault = vault;
    this.#index = index;
    this.height = vault.size;
    this.timeMs = timeMs;
    const get = (key: LedgerKey): StoredRecord | undefined => vault.get(key, this.height)?.record;
    this.#executor = new BlockExecutor({ get }, this.height, timeMs);
  }

  get transactionCount(): number {
    return this.#transactions.length;
  }

  /** The value under a key as the block so far left it. */
  value(key: LedgerKey): NoncedValue | undefined {
    if (this.#executor.current(key) === undefined) return undefined;
    return this.#values.get(keyId(key)) ?? this.#vault.get(key, this.height)?.value;
  }

  /** Runs a transaction whole or not at all. @throws LedgerError PRECONDITION_FAILED */
  run(
    transaction: CanonicalTransaction,
    values: ReadonlyMap<string, NoncedValue>,
  ): readonly OperationStatus[] {
    const result = this.#executor.run(transaction);
    if (result.kind === "rejected") throw preconditionFailed(result.failure);
    this.#transactions.push(encodeTransaction(transaction));
    this.#executed.push({ transaction, statuses: result.statuses });
    for (const [id, value] of values) this.#values.set(id, value);
    return result.statuses;
  }

  /** There is no block without a transaction. */
  finish(): void {
    if (this.#transactions.length === 0) return;
    const about = { timeMs: this.timeMs, index: this.#index };
    const block = { ...about, transactions: this.#transactions, executed: this.#executed };
    this.#vault.append(block, this.#executor, this.#values);
  }
}

function foundAt({ key, path, versions }: Row, height: number): Found | undefined {
  const version = versions.findLast((one) => one.height <= height);
  return version?.stored && { key, path, ...version.stored };
}

function preconditionFailed({ operation, key, condition, found }: FailedCondition): LedgerError {
  const parts = [key.partition, key.group, key.item].filter((part) => part !== "");
  const name = key.kind === Kind.entity ? key.partition + key.item : parts.join(" ");
  const state = found === undefined ? "it does not exist" : `it is at version ${found.version}`;
  const message = `operation ${operation} over "${name}": the condition ${condition} does not hold, ${state}`;
  const version = found && { version: Number(found.version) };
  const digest = found?.value && { digest: toHex(found.value.digest) };
  return new LedgerError("PRECONDITION_FAILED", message, {
    details: { operation, key: name, condition, ...version, ...digest },
  });
}
