/** A ledger whose vault 1 is also kept naively, as one map of records for each height; it flushes, crashes and restarts. */
import type { MemoryDisk, SeededRandom } from "@authledger/io";
import {
  BlockExecutor,
  decodeTransaction,
  entityKey,
  keyId,
  type LedgerKey,
  type StoredRecord,
} from "@authledger/proof";
import type { PageStore } from "@authledger/store";
import {
  decodeEntry,
  type EntryItem,
  encodeEntry,
  encodeVaultEntity,
  type GroupState,
  type OpenVault,
  vaultEntityKey,
} from "../src/index.js";
import {
  Leader,
  newDisk,
  ORGANIZATION,
  openState,
  openStore,
  type PlainOp,
} from "./state-support.js";

/** The vault that is followed. */
export const VAULT = 1;

interface PastRecord {
  readonly key: LedgerKey;
  readonly record: StoredRecord;
  /** nonce16 || value. */
  readonly value: Uint8Array | undefined;
}

/** A state by the ids of its keys, both directions of tuples. */
export type PastState = ReadonlyMap<string, PastRecord>;

export class PastLedger {
  readonly random: SeededRandom;
  readonly leader: Leader;
  /** The states of vault 1, by height. */
  readonly states: PastState[] = [];
  /** Its blocks' times. */
  readonly times: number[] = [];
  readonly #log: Uint8Array[] = [];
  #disk: MemoryDisk;
  #store: PageStore;
  state: GroupState;

  private constructor(random: SeededRandom, disk: MemoryDisk, store: PageStore) {
    this.random = random;
    this.leader = new Leader(random);
    this.#disk = disk;
    this.#store = store;
    this.state = openState(store);
  }

  static async create(random: SeededRandom): Promise<PastLedger> {
    const disk = await newDisk();
    const ledger = new PastLedger(random, disk, await openStore(disk, random));
    const { leader } = ledger;
    ledger.apply([leader.init()]);
    ledger.apply([leader.organization(ORGANIZATION)]);
    ledger.apply([leader.vault(ORGANIZATION, 1n)]);
    return ledger;
  }

  get vault(): OpenVault {
    return this.state.vault(VAULT)!;
  }

  apply(items: readonly EntryItem[]): void {
    const payload = encodeEntry({ timeMs: this.leader.timeMs, items });
    this.#log.push(payload);
    this.state.apply(this.#log.length, 1, payload);
    this.#follow(payload);
  }

  /** One block of vault 1. */
  write(ops: readonly PlainOp[]): void {
    this.apply([this.leader.transaction(VAULT, ops)]);
  }

  /** Sets how many blocks vault 1 keeps; undefined = all. */
  keep(blocks: number | undefined): void {
    const { row, vaultRef } = this.vault;
    const entity = encodeVaultEntity({
      name: row.name,
      status: row.status,
      origin: row.origin,
      vaultRef,
      created_ms: row.createdAtMs,
      retention_blocks: blocks,
    });
    const key = vaultEntityKey(ORGANIZATION, 1n);
    const op: PlainOp = { op: "set_entity", key, plain: entity, expiresAtMs: 0 };
    this.apply([this.leader.transaction(0, [op])]);
  }

  /** An import: many tuples that were not there before. */
  fill(tuples: number, prefix: string): void {
    for (let i = 0; i < tuples; i += 500) {
      const count = Math.min(500, tuples - i);
      this.write(
        Array.from({ length: count }, (_, j) => {
          const tuple = {
            resource: `${prefix}:r${(i + j) % 97}`,
            relation: "viewer",
            subject: `user:f${i + j}`,
          };
          return { op: "create_tuple", tuple, expiresAtMs: 0 };
        }),
      );
    }
  }

  async flush(): Promise<void> {
    await this.#store.flush(this.state.prepareFlush());
  }

  /** What was not flushed is gone, and the log brings it back. */
  async crash(): Promise<void> {
    await this.#store.close();
    this.#disk = this.#disk.crash(this.random);
    this.#store = await openStore(this.#disk, this.random);
    this.state = openState(this.#store);
    for (let i = this.state.applied.index; i < this.#log.length; i++) {
      this.state.apply(i + 1, 1, this.#log[i]!);
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #follow(payload: Uint8Array): void {
    const { items, timeMs } = decodeEntry(payload);
    const before = this.states.at(-1) ?? new Map<string, PastRecord>();
    const get = (key: LedgerKey): StoredRecord | undefined => before.get(keyId(key))?.record;
    const executor = new BlockExecutor({ get }, this.states.length, timeMs);
    const values = new Map<string, Uint8Array>();
    let accepted = 0;
    for (const item of items) {
      const sealed = sealedOf(item);
      if (sealed === undefined) continue;
      const transaction = decodeTransaction(sealed.canonical);
      if (executor.run(transaction).kind !== "accepted") continue;
      accepted++;
      let next = 0;
      for (const op of transaction.ops) {
        if (!("value" in op) || op.value === undefined) continue;
        const { nonce, value } = sealed.values[next++]!;
        const id = op.op === "set_entity" ? keyId(entityKey(op.key)) : "";
        values.set(id, new Uint8Array([...nonce, ...value]));
      }
    }
    if (accepted === 0) return;
    const after = new Map(before);
    for (const { key, after: record } of executor.netChanges()) {
      const id = keyId(key);
      if (record === undefined) after.delete(id);
      else after.set(id, { key, record, value: values.get(id) });
    }
    this.states.push(after);
    this.times.push(timeMs);
  }
}

function sealedOf(item: EntryItem) {
  if (item.kind === "transaction" && item.vault === VAULT) return item.transaction;
  return item.kind === "create_vault" ? item.genesis : undefined;
}
