/** What the state's tests share: a store on a memory disk, entries made as a leader makes them. */
import {
  type Disk,
  MemoryDisk,
  NodeHasher,
  nodeClock,
  nodeTimers,
  type SeededRandom,
} from "@authledger/io";
import {
  type CanonicalCondition,
  type CanonicalOp,
  commitToValue,
  encodeDescriptor,
  encodeTransaction,
} from "@authledger/proof";
import { PageStore, type Table } from "@authledger/store";
import { type Hasher, toHex } from "@authledger/types";
import type { GroupStateOptions } from "../src/group-state.js";
import {
  type AppliedEntry,
  type AppliedTransaction,
  type EntryItem,
  encodeEntry,
  encodeVaultEntity,
  GroupState,
  type NoncedValue,
  organizationEntityKey,
  type SealedTransaction,
  vaultEntityKey,
} from "../src/index.js";

export const hasher = new NodeHasher();

/** An operation with its value in place of the commitment. */
export type PlainOp =
  | Exclude<CanonicalOp, { value?: unknown }>
  | {
      op: "create_tuple";
      tuple: { resource: string; relation: string; subject: string };
      expiresAtMs: number;
      plain?: Uint8Array;
    }
  | {
      op: "set_entity";
      key: string;
      plain: Uint8Array;
      expiresAtMs: number;
      condition?: CanonicalCondition;
    }
  | { op: "set_record"; partition: string; group: string; item: string; plain: Uint8Array };

export class Leader {
  readonly random: SeededRandom;
  index = 0;
  timeMs = 1_700_000_000_000;
  #sequence = 0;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  seal(ops: readonly PlainOp[], clientId = "test"): SealedTransaction {
    const values: NoncedValue[] = [];
    const canonical = ops.map((op): CanonicalOp => {
      if (!("plain" in op) || op.plain === undefined) {
        return (op.op === "create_tuple" ? { ...op, value: undefined } : op) as CanonicalOp;
      }
      const nonce = this.random.bytes(16);
      values.push({ nonce, value: op.plain });
      const value = commitToValue(hasher, nonce, op.plain);
      const { plain: _, ...rest } = op;
      const condition = { kind: "none" } as const;
      return (
        op.op === "set_entity" ? { condition, ...rest, value } : { ...rest, value }
      ) as CanonicalOp;
    });
    const bytes = encodeTransaction({
      id: this.random.bytes(16),
      clientId,
      sequence: ++this.#sequence,
      actor: "test",
      reason: "",
      timestampMs: this.timeMs,
      ops: canonical,
    });
    return { canonical: bytes, values };
  }

  transaction(vault: number, ops: readonly PlainOp[], idempotencyKey = ""): EntryItem {
    return {
      kind: "transaction",
      vault,
      idempotencyKey,
      payloadHash: hasher.sha256(new TextEncoder().encode(JSON.stringify(ops, bigintAsText))),
      transaction: this.seal(ops),
    };
  }

  genesis(origin: string): SealedTransaction {
    const record = { op: "set_record", partition: "ledger", item: "" } as const;
    return this.seal([{ ...record, group: "genesis", plain: encodeDescriptor(origin) }], "");
  }

  init(): EntryItem {
    return {
      kind: "init",
      clusterId: "0".repeat(32),
      clusterOrigin: "test.example",
      salt: this.random.bytes(32),
      genesis: this.genesis("test.example/0/0"),
    };
  }

  organization(slug: bigint): EntryItem {
    const plain = new TextEncoder().encode(
      JSON.stringify({ name: "acme", status: "active", created_ms: this.timeMs }),
    );
    return this.transaction(0, [{ op: "set_entity", key: `org:${slug}`, plain, expiresAtMs: 0 }]);
  }

  vault(organization: bigint, slug: bigint): EntryItem {
    const origin = `test.example/${organization}/${slug}`;
    const entity = encodeVaultEntity({
      name: "v",
      status: "active",
      origin,
      vaultRef: new Uint8Array(32),
      created_ms: this.timeMs,
    });
    const key = vaultEntityKey(organization, slug);
    return {
      kind: "create_vault",
      organization,
      slug,
      salt: this.random.bytes(32),
      registration: this.seal([{ op: "set_entity", key, plain: entity, expiresAtMs: 0 }]),
      genesis: this.genesis(origin),
    };
  }

  /** Ends a vault, or an organization for slug 0. */
  setStatus(
    organization: bigint,
    vault: bigint,
    status: "deleting" | "deleted",
    lastHeight = 0,
  ): EntryItem {
    const key =
      vault === 0n ? organizationEntityKey(organization) : vaultEntityKey(organization, vault);
    const plain = new TextEncoder().encode(
      JSON.stringify({ name: "v", status, created_ms: this.timeMs, last_height: lastHeight }),
    );
    const registration = this.seal([{ op: "set_entity", key, plain, expiresAtMs: 0 }]);
    return { kind: "set_status", organization, vault, registration };
  }

  /** A policy that nobody here reads. */
  policyChange(vault: number, epoch: number): EntryItem {
    const record = { op: "set_record", partition: "ledger", group: "policy", item: "" } as const;
    const transaction = this.seal([{ ...record, plain: Uint8Array.of(epoch) }], "");
    const before = Uint8Array.of(epoch - 1);
    return { kind: "policy_change", vault, epoch, before, transaction };
  }

  entry(items: readonly EntryItem[]): Uint8Array {
    return encodeEntry({ timeMs: this.timeMs, items });
  }
}

function bigintAsText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

export async function openStore(disk: Disk, random: SeededRandom): Promise<PageStore> {
  return PageStore.open(
    { path: "/d/state.db", cacheBytes: 1 << 22, groupId: 1, incarnation: new Uint8Array(16) },
    { disk, clock: nodeClock, timers: nodeTimers, random },
  );
}

/** With small limits, so that tests meet them. */
const SMALL_CACHE: GroupStateOptions = { dirtyMax: 50, residentMax: 200 };

export function openState(
  store: PageStore,
  options: GroupStateOptions = SMALL_CACHE,
  by: Hasher = hasher,
): GroupState {
  return new GroupState(store, by, options);
}

export async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/d");
  return disk;
}

/** A state with an organization and its vaults, and the log that made it. */
export class Ledger {
  readonly leader: Leader;
  readonly store: PageStore;
  readonly state: GroupState;
  readonly log: Uint8Array[] = [];

  private constructor(leader: Leader, store: PageStore, state: GroupState) {
    this.leader = leader;
    this.store = store;
    this.state = state;
  }

  /** Organization 7 and `vaults` vaults: slugs and internal ids from 1. */
  static async create(
    random: SeededRandom,
    vaults = 1,
    options: GroupStateOptions = SMALL_CACHE,
    by: Hasher = hasher,
  ): Promise<Ledger> {
    const store = await openStore(await newDisk(), random);
    const ledger = new Ledger(new Leader(random), store, openState(store, options, by));
    const { leader } = ledger;
    ledger.apply([leader.init()]);
    ledger.apply([leader.organization(ORGANIZATION)]);
    for (let slug = 1; slug <= vaults; slug++) {
      ledger.apply([leader.vault(ORGANIZATION, BigInt(slug))]);
    }
    return ledger;
  }

  /** Applies an entry at the leader's time. */
  apply(items: readonly EntryItem[]): AppliedEntry {
    const payload = this.leader.entry(items);
    this.log.push(payload);
    return this.state.apply(this.log.length, 1, payload);
  }

  /** Applies a transaction in an entry of its own and expects it to be accepted. */
  write(vault: number, ops: readonly PlainOp[], idempotencyKey = ""): AppliedTransaction {
    const outcome = this.apply([this.leader.transaction(vault, ops, idempotencyKey)]).outcomes[0]!;
    if (outcome.kind === "applied") return outcome;
    throw new Error(`not applied: ${JSON.stringify(outcome)}`);
  }
}

export const ORGANIZATION = 7n;

/** Every row of every table, `table key value` in hex, after everything was written to them. */
export function dump(state: GroupState): string[] {
  state.prepareFlush();
  return Object.entries(state.tables).flatMap(([name, table]) => rowsOf(name, table));
}

function rowsOf(name: string, table: Table): string[] {
  const rows: string[] = [];
  const cursor = table.cursor();
  for (let ok = cursor.first(); ok; ok = cursor.next()) {
    rows.push(`${name} ${toHex(cursor.key)} ${toHex(cursor.value)}`);
  }
  return rows;
}
