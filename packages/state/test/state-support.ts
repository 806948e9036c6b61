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
  type CanonicalOp,
  commitToValue,
  encodeDescriptor,
  encodeTransaction,
} from "@authledger/proof";
import { PageStore } from "@authledger/store";
import {
  type EntryItem,
  encodeEntry,
  encodeVaultEntity,
  GroupState,
  type NoncedValue,
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
  | { op: "set_entity"; key: string; plain: Uint8Array; expiresAtMs: number }
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
        op.op === "set_entity" ? { ...rest, value, condition } : { ...rest, value }
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
      payloadHash: hasher.sha256(new TextEncoder().encode(JSON.stringify(ops))),
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

  entry(items: readonly EntryItem[]): Uint8Array {
    return encodeEntry({ timeMs: this.timeMs, items });
  }
}

export async function openStore(disk: Disk, random: SeededRandom): Promise<PageStore> {
  return PageStore.open(
    { path: "/d/state.db", cacheBytes: 1 << 22, groupId: 1, incarnation: new Uint8Array(16) },
    { disk, clock: nodeClock, timers: nodeTimers, random },
  );
}

export function openState(store: PageStore): GroupState {
  return new GroupState(store, hasher, { dirtyMax: 50, residentMax: 200 });
}

export async function newDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory("/d");
  return disk;
}
