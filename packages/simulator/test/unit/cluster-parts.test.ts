/** The parts of a simulated cluster, each by itself: what they must notice, and what they must never let happen. */
import { MemoryDisk, readFile, SeededRandom } from "@authledger/io";
import {
  encodeHeader,
  encodeTransaction,
  inclusionProof,
  leafHash,
  lookupOf,
  nobleHasher,
  treeRoot,
} from "@authledger/proof";
import { groupId, LedgerError } from "@authledger/types";
import { Wal } from "@authledger/wal";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../../test/support.js";
import { isCertain } from "../../src/cluster/client-calls.js";
import { isDurable } from "../../src/cluster/durability-oracle.js";
import { EventLoop } from "../../src/cluster/event-loop.js";
import { EventTrace } from "../../src/cluster/event-trace.js";
import { loggedHistory } from "../../src/cluster/logged-history.js";
import { MachineLife } from "../../src/cluster/machine-life.js";
import { judgeInclusion } from "../../src/cluster/proven-write.js";
import {
  compareStores,
  readStore,
  SeenHistory,
  Violation,
} from "../../src/cluster/replica-check.js";
import {
  type DiskFate,
  SimulatedDisk,
  type SimulatedOperationKind,
} from "../../src/cluster/simulated-disk.js";
import { StalenessOracle } from "../../src/cluster/staleness-oracle.js";

class Scene {
  readonly loop = new EventLoop();
  readonly life = new MachineLife(this.loop);
  readonly platter = new MemoryDisk();
  fate: DiskFate = { delayMs: 1 };
  readonly kinds: SimulatedOperationKind[] = [];
  readonly disk = new SimulatedDisk({
    platter: this.platter,
    life: this.life,
    fate: (kind) => {
      this.kinds.push(kind);
      return this.fate;
    },
    onDone: () => undefined,
  });

  async finish<T>(work: Promise<T>): Promise<T> {
    return this.loop.finish(work, "the work", 1_000);
  }

  /** What a file holds after power is lost now, with everything that was not synced. */
  async durable(path: string): Promise<string> {
    const left = this.platter.crash(new SeededRandom(1), { unsynced: "lost" });
    return Buffer.from(await readFile(left, path)).toString();
  }
}

const bytes = (text: string): Uint8Array[] => [new TextEncoder().encode(text)];

describe("INV-SIM-30: the age of an answer", () => {
  it("must not be larger than allowed, by the slowest clock", () => {
    let now = 0;
    const oracle = new StalenessOracle(() => now);
    expect(oracle.requiredIndex(0, 100)).toBe(0);
    now = 1_000;
    oracle.acknowledged(7);
    oracle.acknowledged(6);
    now = 2_000;
    oracle.acknowledged(9);
    expect(oracle.requiredIndex(2_000, 800)).toBe(7);
    expect(oracle.requiredIndex(1_999, 800)).toBe(0);
    expect(oracle.requiredIndex(3_000, 800)).toBe(9);
    for (now = 3_000; now < 60_000; now += 1_000) oracle.acknowledged(now);
    expect(oracle.requiredIndex(59_000, 8_000)).toBe(49_000);
  });
});

describe("a simulated disk", () => {
  it("takes its time, and makes durable what was there when a sync began", async () => {
    const scene = new Scene();
    const file = await scene.finish(scene.disk.open("/a", { create: true }));
    await scene.finish(scene.disk.syncDirectory("/"));
    expect(scene.loop.now).toBe(2);
    await scene.finish(file.write(bytes("abc"), 0));
    const sync = file.datasync();
    const write = file.write(bytes("def"), 3);
    expect(await scene.durable("/a")).toBe("");
    await scene.finish(Promise.all([sync, write]));
    expect(await scene.durable("/a")).toBe("abc");
  });

  it("loses what a failed sync should have synced, whatever later syncs say (Rebello et al.)", async () => {
    const scene = new Scene();
    const file = await scene.finish(scene.disk.open("/a", { create: true }));
    await scene.finish(scene.disk.syncDirectory("/"));
    await scene.finish(file.write(bytes("abc"), 0));
    scene.fate = { delayMs: 1, failure: "EIO" };
    expect((await rejectedBy(scene.finish(file.datasync()))).code).toBe("SYNC_FAILED");
    scene.fate = { delayMs: 1 };
    await scene.finish(file.datasync());
    expect(await scene.durable("/a")).toBe("");
    expect(Buffer.from(await readFile(scene.platter, "/a")).toString()).toBe("abc");
  });

  it("INV-SIM-20: nothing of a life happens after its end", async () => {
    const scene = new Scene();
    const file = await scene.finish(scene.disk.open("/a", { create: true }));
    await scene.finish(scene.disk.syncDirectory("/"));
    const happened: string[] = [];
    file.write(bytes("abc"), 0).then(
      () => happened.push("written"),
      () => happened.push("failed"),
    );
    scene.life.after(1, () => happened.push("timer"));
    scene.life.end();
    void file.datasync().then(() => happened.push("synced"));
    void file.write(bytes("def"), 3).then(() => happened.push("written again"));
    await scene.loop.runUntil(1_000);
    expect(happened).toEqual([]);
    expect(await scene.durable("/a")).toBe("");
    expect(Buffer.from(await readFile(scene.platter, "/a")).toString()).toBe("abc");
  });

  it("acknowledges a write that goes to another page, or nowhere", async () => {
    const scene = new Scene();
    const file = await scene.finish(scene.disk.open("/a", { create: true }));
    const page = (fill: string): Uint8Array[] => bytes(fill.repeat(4_096));
    for (const [i, fill] of ["a", "b", "c"].entries()) {
      await scene.finish(file.write(page(fill), i * 4_096));
    }
    scene.fate = { delayMs: 1, astray: { to: 0.4 } };
    await scene.finish(file.write(page("x"), 0));
    scene.fate = { delayMs: 1, astray: { to: undefined } };
    await scene.finish(file.write(page("y"), 0));
    const held = Buffer.from(await readFile(scene.platter, "/a")).toString();
    expect([held[0], held[4_096], held[8_192], held.length]).toEqual(["a", "x", "c", 12_288]);
  });

  it("can refuse the name of a new file and of a renamed one, and tells it from opening one that is there", async () => {
    const scene = new Scene();
    await scene.finish(scene.disk.open("/a", { create: true }));
    await scene.finish(scene.disk.open("/a", { create: true }));
    await scene.finish(scene.disk.open("/a"));
    expect(scene.kinds).toEqual(["create", "open", "open"]);
    scene.fate = { delayMs: 1, failure: "ENOSPC" };
    const made = scene.finish(scene.disk.open("/b", { create: true }));
    expect((await rejectedBy(made)).code).toBe("DISK_FULL");
    const renamed = scene.finish(scene.disk.rename("/a", "/c"));
    expect((await rejectedBy(renamed)).code).toBe("DISK_FULL");
    expect(await scene.platter.list("/")).toEqual(["a"]);
  });

  it("waits while its process is paused", async () => {
    const scene = new Scene();
    const opened = scene.disk.open("/a", { create: true });
    scene.life.pause(500);
    await scene.finish(opened);
    expect(scene.loop.now).toBe(500);
  });
});

describe("INV-SIM-31: the proof of a write", () => {
  it("is one of that transaction, in the block of the answer; a missing one is for the asker to judge", () => {
    const common = { clientId: "c", actor: "user:c1", timestampMs: 1, ops: [] };
    const [first, second] = [0, 1].map((n) => {
      const id = new Uint8Array(16).fill(n);
      return encodeTransaction({ ...common, id, sequence: n + 1, reason: `c1/${n}` });
    }) as [Uint8Array, Uint8Array];
    const leaves = [first, second].map((bytes) => leafHash(nobleHasher, bytes));
    const transactionRoot = treeRoot(nobleHasher, leaves);
    const header = headerOf(7, { transactionRoot, transactionCount: 2 });
    const path = inclusionProof(nobleHasher, lookupOf(nobleHasher, leaves), 1, 2);
    const inclusion = { header, transaction: second, index: 1, path };
    const about = { kind: "applied", sequence: 2, statuses: [], replayed: false } as const;
    const answer = { ...about, height: 7, transactionId: new Uint8Array(16).fill(1), inclusion };
    expect(judgeInclusion(answer, "c1/1")).toEqual({ proof: true, root: "00".repeat(32) });
    for (const [wrong, reason] of [
      [{ ...answer, height: 8 }, "c1/1"],
      [answer, "c1/0"],
      [{ ...answer, transactionId: new Uint8Array(16) }, "c1/1"],
      [{ ...answer, inclusion: { ...inclusion, index: 0 } }, "c1/1"],
      [{ ...answer, inclusion: { ...inclusion, header: headerOf(7) } }, "c1/1"],
    ] as const) {
      expect(judgeInclusion(wrong, reason)!.proof).toBe(false);
    }
    const { inclusion: _, ...unproven } = answer;
    expect(judgeInclusion(unproven, "c1/1")).toBeUndefined();
  });
});

describe("what replicas must agree on", () => {
  it("INV-SIM-22: another block of the same height is a violation", () => {
    const seen = new SeenHistory();
    for (const height of [0, 1, 2]) seen.noteBlock(1, headerOf(height), "n0");
    seen.noteBlock(1, headerOf(1), "n1");
    const other = headerOf(1);
    other[other.length - 1]! ^= 1;
    expect(() => seen.noteBlock(1, other, "n1")).toThrow(
      /INV-SIM-22: block 1 of vault 1 .* n0 .* n1/,
    );
  });

  it("INV-SIM-23: another root for the size of a signed head is a violation", () => {
    const seen = new SeenHistory();
    seen.noteHead("o\n5\nAA==\n\n- a sig\n", "n0");
    seen.noteHead("o\n5\nAA==\n\n- b sig\n", "n1");
    seen.noteHead("o\n6\nAB==\n", "n1");
    expect(() => seen.noteHead("o\n5\nAB==\n", "n1")).toThrow(Violation);
  });

  it("INV-SIM-24: stores of one index with other rows or another digest are a violation", () => {
    const content = { index: 9, digest: "aa", rows: new Map([["tip", "11"]]) };
    const compare = (other: Partial<typeof content>) => () =>
      compareStores(
        new Map([
          ["n0", content],
          ["n1", { ...content, ...other }],
        ]),
      );
    expect(compare({})).not.toThrow();
    expect(compare({ digest: "bb" })).toThrow(/INV-SIM-24: at index 9, n0 and n1 .* digests/);
    expect(compare({ rows: new Map([["tip", "12"]]) })).toThrow(/rows of the table tip/);
    expect(compare({ index: 10, digest: "bb" })).not.toThrow();
  });

  it("INV-SIM-24: a page that does not verify is a violation", async () => {
    const disk = new MemoryDisk();
    const file = await disk.open("/data/groups/1/state.db", { create: true });
    await file.write([new Uint8Array(70_000)], 0);
    await expect(readStore(disk, "n0", new Uint8Array(16))).rejects.toThrow(/INV-SIM-24/);
  });

  it("INV-SIM-26: what nobody asked for is not in the log", () => {
    const transaction = encodeTransaction({
      ...{ id: new Uint8Array(16), clientId: "c1", sequence: 1, actor: "user:a", timestampMs: 1 },
      reason: "c1/0",
      ops: [{ op: "delete_entity", key: "k0", condition: { kind: "none" } }],
    });
    const chains = new Map([[1, [{ header: headerOf(1), transactions: [transaction] }]]]);
    const asked = {
      proc: 1,
      op: "del",
      key: "k0",
      vault: "1",
      id: "c1/0",
      in: null,
      exp: null,
    } as const;
    const operation = { ...asked, call: 0, ret: 1, ok: true, out: true };
    expect(loggedHistory(chains, [operation]).writes).toMatchObject([{ id: "c1/0", op: "del" }]);
    expect(() => loggedHistory(chains, [{ ...operation, key: "k1" }])).toThrow(/INV-SIM-26/);
    expect(() => loggedHistory(chains, [])).toThrow(/INV-SIM-26/);
  });
});

describe("the durability oracle", () => {
  it("INV-SIM-28: finds a synced write in the log, and no other", async () => {
    const platter = new MemoryDisk();
    const ports = {
      ...{ disk: platter, random: new SeededRandom(1), clock: new TestClock() },
      timers: { after: () => () => undefined, yield: () => Promise.resolve() },
    };
    const group = groupId(1);
    const wal = await Wal.open(
      { directory: "/data/wal", voters: "many", segmentBytes: 1 << 16 },
      ports,
    );
    const payload = Uint8Array.of(0, 4, ...new TextEncoder().encode("c1/1"));
    await wal.append([
      { kind: "group", group, action: "create" },
      { kind: "entry", group, index: 1, term: 1, payload },
    ]);
    expect(await isDurable(platter, { id: "c1/1", index: 3 })).toBe(true);
    expect(await isDurable(platter, { id: "c1/11", index: 3 })).toBe(false);
    expect(await isDurable(platter, { id: "c1", index: 3 })).toBe(false);
  });
});

describe("what a client knows", () => {
  it("is certain of a refusal only when nothing can happen any more", () => {
    const certain = (code: LedgerError["code"]): boolean => isCertain(new LedgerError(code, ""));
    expect(
      ["NOT_LEADER", "OVERLOADED", "PRECONDITION_FAILED"].map((code) =>
        certain(code as "NOT_LEADER"),
      ),
    ).toEqual([true, true, true]);
    expect(
      ["COMMIT_UNKNOWN", "NODE_STOPPED", "SYNC_FAILED"].map((code) =>
        certain(code as "NOT_LEADER"),
      ),
    ).toEqual([false, false, false]);
  });
});

describe("the trace", () => {
  it("has one number for all lines, and keeps the newest", () => {
    const made = (lines: readonly string[]): EventTrace => {
      const trace = new EventTrace(() => 1);
      for (const line of lines) trace.note("n0", line);
      return trace;
    };
    expect(made(["a", "b"]).hash).toBe(made(["a", "b"]).hash);
    expect(made(["a", "b"]).hash).not.toBe(made(["b", "a"]).hash);
    expect(made(["a", "b"]).newest(1)).toEqual(["1.000 n0 b"]);
    expect(made(Array.from({ length: 2_001 }, (_, i) => String(i))).newest(3_000)).toHaveLength(
      2_000,
    );
  });
});

class TestClock {
  nowMs(): number {
    return 0;
  }

  monotonicMs(): number {
    return 0;
  }
}

function headerOf(
  height: number,
  block: { readonly transactionRoot?: Uint8Array; readonly transactionCount?: number } = {},
): Uint8Array {
  const hash = new Uint8Array(32);
  return encodeHeader({
    ...{ bothDirections: true, height, timestampMs: 1, term: 1, index: 4 + height },
    ...{ vaultRef: hash, transactionCount: 1, transactionRoot: hash, previousHash: hash },
    ...{ historyRoot: hash, stateRoot: hash, leafCount: 1, configHash: hash },
    ...block,
  });
}
