/** The judge must be able to say no: each of its rules against a group that breaks it. */
import type { Entry, Membership, Message } from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { type Batch, DurableLog } from "../../src/core/durable-log.js";
import { Judge, type JudgedCore, type JudgedNode } from "../../src/core/judge.js";
import { doOverlap, isQuorum } from "../../src/core/quorum.js";

const ids = [1, 2, 3].map((n) => nodeId(BigInt(n)));
const [a, b, c] = ids as [NodeId, NodeId, NodeId];
const membership = membershipOf(ids);

function membershipOf(voters: readonly NodeId[], outgoing: readonly NodeId[] = []): Membership {
  return { voters, outgoing, learners: [], learnersNext: [], autoLeave: false };
}

function batch(parts: Partial<Batch>): Batch {
  return {
    kind: "append",
    append: 1,
    hardState: undefined,
    truncateFrom: undefined,
    entries: [],
    snapshot: undefined,
    whenDurable: [],
    mustSync: true,
    ...parts,
  };
}

function entry(index: number, term: number, byte = 0): Entry {
  return { index, term, payload: Uint8Array.of(0, byte) };
}

class Bench {
  readonly judge = new Judge(membership);
  readonly nodes: JudgedNode[] = ids.map((id) => {
    const log = new DurableLog();
    log.found(1, 1);
    return { id, log, checkpoint: 1, beforeLoss: undefined };
  });

  constructor() {
    for (const node of this.nodes) this.judge.admit(node);
  }

  core(changed: Partial<JudgedCore>): JudgedCore {
    const core = { term: 1, role: "follower", commit: 1, applied: 1, lastIndex: 1, membership };
    return { ...core, ...changed };
  }

  /** The entries reach the disk of a node. */
  write(at: number, entries: readonly Entry[], hardState?: Batch["hardState"]): void {
    const node = this.nodes[at]!;
    const taken = batch({ entries, hardState });
    this.judge.appending(node, taken, this.core({}));
    node.log.take(taken);
    node.log.synced(1);
    this.judge.persisted(node, taken);
  }

  after(at: number, changed: Partial<JudgedCore>): void {
    const { lastIndex } = this.nodes[at]!.log;
    this.judge.after(this.nodes[at]!, this.core({ lastIndex, ...changed }));
  }
}

describe("INV-SIM-4: the judge refuses", () => {
  it("two leaders of a term (Raft 5.2)", () => {
    const bench = new Bench();
    bench.after(0, { role: "leader", term: 2 });
    expect(() => bench.after(1, { role: "leader", term: 2 })).toThrow("election safety");
    bench.after(1, { role: "leader", term: 3 });
  });

  it("a leader without a committed entry (Raft 5.4)", () => {
    const bench = new Bench();
    for (const at of [0, 1]) bench.write(at, [entry(2, 2)]);
    bench.after(0, { role: "leader", term: 2, commit: 2 });
    expect(() => bench.after(2, { role: "leader", term: 3 })).toThrow("leader completeness");
  });

  it("a commit that is on the disks of no majority (Raft 5.3)", () => {
    const bench = new Bench();
    bench.write(0, [entry(2, 2)]);
    expect(() => bench.after(0, { role: "leader", term: 2, commit: 2 })).toThrow("quorum");
  });

  it("another entry where one is committed (Raft 5.4.3)", () => {
    const bench = new Bench();
    for (const at of [0, 1]) bench.write(at, [entry(2, 2)]);
    bench.after(0, { role: "leader", term: 2, commit: 2 });
    bench.write(2, [entry(2, 1)]);
    expect(() => bench.after(2, { commit: 2, term: 2 })).toThrow("never changes");
  });

  it("two logs that agree on an entry and not on the one before, or not on what it says (Raft 5.3)", () => {
    const bench = new Bench();
    bench.write(0, [entry(2, 2), entry(3, 4)]);
    expect(() => bench.write(1, [entry(2, 3), entry(3, 4)])).toThrow("log matching");
    expect(() => bench.write(2, [entry(2, 2, 7)])).toThrow("log matching");
    expect(() => bench.write(2, [entry(3, 2)])).toThrow("without a gap");
  });

  it("two votes in a term, over restarts (Raft 5.2)", () => {
    const bench = new Bench();
    bench.write(0, [], { term: 2, vote: b, commit: 1 });
    bench.nodes[0]!.log.crash(0);
    expect(() => bench.write(0, [], { term: 2, vote: c, commit: 1 })).toThrow("one vote per term");
  });

  it("a vote, a request or an acknowledgment that leaves before it is durable (Raft 3.8)", () => {
    const bench = new Bench();
    const leaving = (message: Partial<Message>): void =>
      bench.judge.leaving(bench.nodes[0]!, { from: a, to: b, term: 2, ...message } as Message);
    expect(() => leaving({ type: "vote-response", reject: false })).toThrow("durable before it is");
    expect(() => leaving({ type: "vote", index: 2, logTerm: 1 })).toThrow("before it asks");
    const ack = { type: "append-response", index: 2, reject: false, hint: 0, logTerm: 0 } as const;
    expect(() => leaving(ack)).toThrow("before it is acknowledged");
    leaving({ type: "vote-response", reject: true });
    bench.write(0, [entry(2, 2)], { term: 2, vote: b, commit: 1 });
    leaving({ type: "vote-response", reject: false });
    leaving(ack);
  });

  it("a truncation of what is committed, and indexes that go back", () => {
    const bench = new Bench();
    for (const at of [0, 1]) bench.write(at, [entry(2, 2)]);
    bench.after(0, { role: "leader", term: 2, commit: 2 });
    const cut = batch({ truncateFrom: 2 });
    const append = (): void => bench.judge.appending(bench.nodes[0]!, cut, bench.core({}));
    expect(append).toThrow("nothing committed is truncated");
    expect(() => bench.after(0, { term: 2, commit: 1 })).toThrow("never goes back");
    expect(() => bench.after(0, { term: 1, commit: 2 })).toThrow("terms never go back");
    expect(() => bench.after(0, { term: 2, commit: 2, applied: 3 })).toThrow("applied <= commit");
  });

  it("a second change before the first is applied, and changes that do not overlap (dissertation 4.1)", () => {
    const bench = new Bench();
    const change = (index: number): Entry => ({ index, term: 2, payload: Uint8Array.of(0xcc) });
    const leader = bench.core({ role: "leader", term: 2 });
    const append = (): void =>
      bench.judge.appending(bench.nodes[0]!, batch({ entries: [change(3)] }), leader);
    bench.write(0, [change(2)]);
    expect(append).toThrow("one configuration change at a time");
    bench.write(1, [change(2)]);
    bench.after(0, { role: "leader", term: 2, commit: 2 });
    const apart = membershipOf([nodeId(4n)]);
    expect(() => bench.judge.membershipIs(2, apart, a)).toThrow("overlap");
  });

  it("a leader that believes a follower to have what it has not", () => {
    const bench = new Bench();
    expect(() => bench.judge.matchIs(bench.core({}), b, 2)).toThrow("match <=");
    bench.judge.matchIs(bench.core({}), b, 1);
  });
});

describe("majorities", () => {
  it("need both halves of a joint configuration (dissertation 4.3)", () => {
    const joint = membershipOf([a, b, c], [a]);
    expect(isQuorum(joint, (id) => id !== a)).toBe(false);
    expect(isQuorum(joint, (id) => id !== b)).toBe(true);
  });

  it("overlap where one voter changes, and not where two do", () => {
    const [four, five] = [nodeId(4n), nodeId(5n)];
    expect(doOverlap(membership, membershipOf([a, b, c, four]))).toBe(true);
    expect(doOverlap(membership, membershipOf([a, b, c, four, five]))).toBe(false);
    expect(doOverlap(membershipOf([a, b]), membershipOf([c, four], [a, b]))).toBe(true);
  });
});
