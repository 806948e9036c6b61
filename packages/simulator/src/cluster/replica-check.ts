/**
 * What must be equal on all replicas, looked at while they run and when all is over.
 *
 *   INV-SIM-22  Blocks of one vault and height are equal on all replicas, for ever.
 *   INV-SIM-23  No signed head contradicts another: one root for one size of a history.
 *   INV-SIM-24  Stores of one applied index hold the same rows, byte for byte, and the same group digest; their pages verify.
 */
import { createHash } from "node:crypto";
import type { EnginePort } from "@authledger/engine";
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { decodeHeader } from "@authledger/proof";
import { checkStore, PageStore } from "@authledger/store";
import { assert, groupId, toHex } from "@authledger/types";
import type { LoggedBlock } from "../history/record.js";
import { type Machine, STORE } from "./machine.js";

/** A violation of what the simulator watches: the run has failed. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, what: string) {
    super(`${invariant}: ${what}`);
    this.name = "Violation";
    this.invariant = invariant;
  }
}

/** Blocks and heads that anybody has seen. */
export class SeenHistory {
  readonly #blocks = new Map<string, { readonly hash: string; readonly by: string }>();
  readonly #heads = new Map<string, { readonly root: string; readonly by: string }>();

  get blocks(): number {
    return this.#blocks.size;
  }

  /** @throws Violation INV-SIM-22 */
  noteBlock(vault: number, header: Uint8Array, by: string): void {
    const { height } = decodeHeader(header);
    const hash = toHex(header);
    const key = `${vault}/${height}`;
    const known = this.#blocks.get(key);
    if (known === undefined) this.#blocks.set(key, { hash, by });
    else if (known.hash !== hash) {
      const what = `block ${height} of vault ${vault} is ${known.hash} at ${known.by} and ${hash} at ${by}`;
      throw new Violation("INV-SIM-22", what);
    }
  }

  /** Notes a signed checkpoint: origin, size, root, and lines that do not matter here. @throws Violation INV-SIM-23 */
  noteHead(checkpoint: string, by: string): void {
    const [origin, size, root] = checkpoint.split("\n");
    assert(root !== undefined, "a checkpoint has three lines");
    const key = `${origin}/${size}`;
    const known = this.#heads.get(key);
    if (known === undefined) this.#heads.set(key, { root, by });
    else if (known.root !== root) {
      const what = `the head of ${origin} at size ${size} is ${known.root} at ${known.by} and ${root} at ${by}`;
      throw new Violation("INV-SIM-23", what);
    }
  }
}

/** Asks a replica for its newest blocks and heads. Replicas that do not answer are asked another time. */
export async function lookAt(
  machine: Machine,
  vaults: readonly number[],
  seen: SeenHistory,
): Promise<void> {
  for (const vault of vaults) {
    const consistency = { kind: "any", maxStalenessMs: 60_000 } as const;
    const tip = await answerOf(machine.call("get_tip", { vault, consistency }));
    if (tip !== undefined) seen.noteBlock(vault, tip.header, machine.name);
    const request = { vault, consistency, trustedSize: 0 };
    const head = await answerOf(machine.call("get_checkpoint", request));
    if (head !== undefined) seen.noteHead(head.checkpoint, machine.name);
  }
}

/** All blocks of a vault as a replica has them, and their transactions. */
export async function readChain(
  engine: Pick<EnginePort, "call">,
  vault: number,
): Promise<{ readonly header: Uint8Array; readonly transactions: readonly Uint8Array[] }[]> {
  const chain: { header: Uint8Array; transactions: readonly Uint8Array[] }[] = [];
  for (let from = 0; ; ) {
    const request = { vault, from, limit: 200, transactions: true, bytesMax: 1 << 22 };
    const { blocks, size } = await engine.call("get_block_range", request);
    chain.push(...blocks);
    from += blocks.length;
    if (from >= size || blocks.length === 0) return chain;
  }
}

export function loggedBlock(vault: number, header: Uint8Array): LoggedBlock {
  const { index, height, stateRoot } = decodeHeader(header);
  return { log: index, vault: String(vault), height, root: toHex(stateRoot) };
}

/** What a closed store holds. */
export interface StoreContent {
  readonly index: number;
  readonly digest: string;
  /** Of every row of every table but those of the node alone. */
  readonly rows: ReadonlyMap<string, string>;
}

/** Verifies every page of a store and hashes what is in it. @throws Violation INV-SIM-24 */
export async function readStore(
  disk: MemoryDisk,
  by: string,
  incarnation: Uint8Array,
): Promise<StoreContent> {
  const report = await checkStore(disk, STORE);
  if (report.problemCount > 0) {
    const [{ what, page, table }] = report.problems as [(typeof report.problems)[0]];
    throw new Violation("INV-SIM-24", `the store of ${by}: page ${page} of ${table}: ${what}`);
  }
  const options = {
    path: STORE,
    cacheBytes: 1 << 22,
    groupId: groupId(1),
    incarnation,
    readOnly: true,
  };
  const store = await PageStore.open(options, { disk, ...INERT });
  const { index, digest } = store.applied;
  const rows = new Map(store.tables.map((table) => [table.name, hashOf(table)]));
  await store.close();
  return { index, digest: toHex(digest), rows };
}

/**
 * The page checksum is compiled once for a process, which takes real time: what waits for that must have done so before virtual
 * time begins.
 */
export async function compileChecksum(): Promise<void> {
  const options = { path: "/store", cacheBytes: 1 << 20, groupId: groupId(1) };
  const incarnation = new Uint8Array(16);
  const store = await PageStore.open(
    { ...options, incarnation },
    { disk: new MemoryDisk(), ...INERT },
  );
  await store.close();
}

/** The ports of a store that only reads: none of them is used. */
const INERT = {
  random: new SeededRandom(1),
  clock: { nowMs: () => 0, monotonicMs: () => 0 },
  timers: { after: () => () => undefined, yield: () => Promise.resolve() },
};

function hashOf(table: PageStore["tables"][number]): string {
  const hash = createHash("sha256");
  const cursor = table.cursor();
  for (let isThere = cursor.first(); isThere; isThere = cursor.next()) {
    const { key, value } = cursor;
    hash.update(`${key.length}/${value.length}/`).update(key).update(value);
  }
  return hash.digest("hex");
}

/** @throws Violation INV-SIM-24 */
export function compareStores(stores: ReadonlyMap<string, StoreContent>): void {
  const first = new Map<number, readonly [by: string, content: StoreContent]>();
  for (const [by, content] of stores) {
    const [otherBy, other] = first.get(content.index) ?? [by, content];
    first.set(content.index, [otherBy, other]);
    const where = `at index ${content.index}, ${otherBy} and ${by}`;
    if (other.digest !== content.digest) {
      throw new Violation("INV-SIM-24", `${where} have different group digests`);
    }
    for (const [table, hash] of content.rows) {
      if (other.rows.get(table) === hash) continue;
      throw new Violation("INV-SIM-24", `${where} hold different rows of the table ${table}`);
    }
  }
}

async function answerOf<T>(asked: Promise<T>): Promise<T | undefined> {
  return asked.catch(() => undefined);
}
