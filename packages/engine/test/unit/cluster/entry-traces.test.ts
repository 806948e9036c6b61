/** Traced writes on their way through a group: what each node tells of them, and that nothing else comes of it. */
import { type Consistency, groupId, nodeId, toHex } from "@authledger/types";
import { expect, test } from "vitest";
import { thrownBy } from "../../../../../test/support.js";
import { TRACED_ENTRIES_MAX, TRACES_OF_ENTRY_MAX } from "../../../src/cluster/cluster-limits.js";
import { EntryTraces } from "../../../src/cluster/entry-traces.js";
import { decodeTraceFrame, encodeTraceFrame } from "../../../src/cluster/trace-frames.js";
import { FrameKind, type TraceContext, type Tracer } from "../../../src/index.js";
import { WriteSpans } from "../../../src/tracer.js";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import { applied, createTuple, newVault, transactionOf } from "../../engine-support.js";

const CALL: TraceContext = { traceId: "4b".repeat(16), spanId: "00f067aa0ba902b7" };
const TERM = 3;
const ANY: Consistency = { kind: "any", maxStalenessMs: 0 };

interface ToldSpan {
  readonly node: string;
  readonly name: string;
  readonly parent: string;
  readonly spanId: string;
  index: unknown;
  isEnded: boolean;
  error: unknown;
}

class Recorder {
  readonly spans: ToldSpan[] = [];

  of(node: string): Tracer {
    return {
      begin: (name, parent) => {
        const spanId = (this.spans.length + 1).toString(16).padStart(16, "0");
        const fields = { index: undefined, isEnded: false, error: undefined };
        const span: ToldSpan = { node, name, parent: parent.spanId, spanId, ...fields };
        this.spans.push(span);
        const end = (about: object = {}, error?: unknown): void => {
          span.isEnded = true;
          span.error = error;
          span.index = (about as { "authledger.entry.index"?: number })["authledger.entry.index"];
        };
        return { traceId: parent.traceId, spanId, end };
      },
    };
  }
}

/** A cluster of three with a vault and two writes, of which the first is traced. */
async function twoWrites(
  tracerOf?: (name: string) => Tracer,
  lose: TestCluster["network"]["lose"] = () => false,
) {
  const cluster = await TestCluster.of(3, {}, {}, tracerOf);
  const [leader] = cluster.members;
  const vault = await cluster.until(newVault(leader!.engine));
  cluster.network.lose = lose;
  const write = async (doc: string, trace: TraceContext | undefined): Promise<number> => {
    const transactions = [transactionOf([createTuple(doc)])];
    const request = { vault, actor: "a", prove: false, transactions, trace };
    const { outcomes, at } = await cluster.until(leader!.engine.call("write", request));
    applied(outcomes[0]);
    return at.index;
  };
  const index = await write("doc:1", CALL);
  await write("doc:2", undefined);
  await cluster.eventually(() => {
    const reached = cluster.members.map(({ engine }) => engine.stats().appliedIndex);
    return new Set(reached).size === 1;
  });
  return { cluster, index };
}

test("INV-TRACE-7: a traced write tells of its wait, its replication and its apply, and of append and apply on every node", async () => {
  const recorder = new Recorder();
  const { cluster, index } = await twoWrites((name) => recorder.of(name));
  const { spans } = recorder;
  const replicate = spans.find(({ name }) => name === "raft.replicate")!;
  const told = spans.map(({ node, name, parent }) => ({ node, name, parent }));
  const followers = ["n2", "n3"].flatMap((node) => [
    { node, name: "raft.append", parent: replicate.spanId },
    { node, name: "ledger.apply", parent: replicate.spanId },
  ]);
  expect(told).toHaveLength(8);
  expect(told).toEqual(
    expect.arrayContaining([
      { node: "n1", name: "propose.wait", parent: CALL.spanId },
      { node: "n1", name: "raft.replicate", parent: CALL.spanId },
      { node: "n1", name: "raft.append", parent: replicate.spanId },
      { node: "n1", name: "ledger.apply", parent: CALL.spanId },
      ...followers,
    ]),
  );
  expect(spans.filter(({ isEnded, error }) => !isEnded || error !== undefined)).toEqual([]);
  const indexes = spans.filter(({ name }) => name !== "propose.wait").map((span) => span.index);
  expect(new Set(indexes)).toEqual(new Set([index]));
  // The write that is not traced told nobody anything.
  expect(cluster.network.sent.get(FrameKind.trace)).toBe(2);
  await cluster.close();
});

test("INV-TRACE-6: nodes with tracers, and with tracers that fail, say the same to each other and end in the same state", async () => {
  const recorder = new Recorder();
  const fails = (): never => {
    throw new Error("no room for spans");
  };
  const tracers: readonly (((name: string) => Tracer) | undefined)[] = [
    undefined,
    (name) => recorder.of(name),
    () => ({ begin: fails }),
    () => ({ begin: () => ({ traceId: "", spanId: "not hex", end: fails }) }),
  ];
  const runs: string[][] = [];
  for (const tracerOf of tracers) {
    const frames: string[] = [];
    const { cluster } = await twoWrites(tracerOf, (_from, _to, { kind, payload }) => {
      if (kind === FrameKind.raft) frames.push(toHex(payload));
      return false;
    });
    for (const { engine, fatal, alarms } of cluster.members) {
      const tip = await engine.call("get_tip", { vault: 1, consistency: ANY });
      frames.push(
        JSON.stringify(tip, (_key, value) => (typeof value === "bigint" ? `${value}` : value)),
      );
      expect([...fatal, ...alarms]).toEqual([]);
    }
    runs.push(frames);
    await cluster.close();
  }
  expect(recorder.spans).toHaveLength(8);
  expect(runs[0]!.length).toBeGreaterThan(8);
  for (const run of runs) expect(run).toEqual(runs[0]);
});

test("INV-TRACE-7: what a leader told and a node did not hear is missing in the trace, and nowhere else", async () => {
  const recorder = new Recorder();
  const { cluster } = await twoWrites(
    (name) => recorder.of(name),
    (_from, _to, { kind }) => kind === FrameKind.trace,
  );
  expect(new Set(recorder.spans.map(({ node }) => node))).toEqual(new Set(["n1"]));
  expect(recorder.spans.every(({ isEnded }) => isEnded)).toBe(true);
  await cluster.close();
});

test("INV-TRACE-7: a traced entry that another leader overwrites ends its span with the error, and the other entry is not taken for it", async () => {
  const recorder = new Recorder();
  const cluster = await TestCluster.of(3, {}, {}, (name) => recorder.of(name));
  const [first] = cluster.members;
  const vault = await cluster.until(newVault(first!.engine));
  const write = (at: ClusterMember, doc: string, trace?: TraceContext) => {
    const transactions = [transactionOf([createTuple(doc)])];
    const request = { vault, actor: "a", prove: false, transactions, trace };
    return cluster.until(at.engine.call("write", request));
  };
  await cluster.run(200);
  cluster.network.partition(["n1:7401"], ["n2:7401", "n3:7401"]);
  const { outcomes } = await write(first!, "doc:lost", CALL);
  expect(outcomes[0]).toMatchObject({ kind: "refused", code: "COMMIT_UNKNOWN" });
  await cluster.eventually(() => cluster.leaders().some(({ name }) => name !== "n1"));
  const second = cluster.leaders().find(({ name }) => name !== "n1")!;
  applied((await write(second, "doc:1")).outcomes[0]);
  cluster.network.heal();
  await cluster.eventually(() => {
    const reached = cluster.members.map(({ engine }) => engine.stats().appliedIndex);
    return new Set(reached).size === 1;
  });
  const told = recorder.spans.map(({ node, name, error }) => [node, name, error !== undefined]);
  expect(told).toEqual([
    ["n1", "propose.wait", false],
    ["n1", "raft.replicate", true],
    ["n1", "raft.append", false],
  ]);
  await cluster.close();
});

test("INV-TRACE-7: a node follows so many entries, and only the entry of the term that was told", () => {
  const recorder = new Recorder();
  const traces = new EntryTraces(groupId(1), nodeId(2n), recorder.of("n2"));
  const last = 3 * TRACED_ENTRIES_MAX;
  const entryOf = (index: number, term = TERM) => ({ index, term, payload: new Uint8Array() });
  for (let index = 1; index <= last; index++) {
    traces.heard(encodeTraceFrame({ term: TERM, index, parents: [CALL] }), 0);
  }
  for (let index = 1; index <= last; index++) {
    const entry = entryOf(index, index === last ? TERM + 1 : TERM);
    traces.appended([entry]);
    traces.durable([entry]);
    traces.applying(entry);
    traces.applied(entry);
  }
  const applies = recorder.spans.filter(({ name }) => name === "ledger.apply");
  expect(applies).toHaveLength(TRACED_ENTRIES_MAX - 1);
  expect(recorder.spans).toHaveLength(2 * applies.length);
  traces.heard(encodeTraceFrame({ term: TERM, index: last, parents: [CALL] }), last);
  traces.appended([entryOf(last)]);
  expect(recorder.spans).toHaveLength(2 * applies.length);
});

test("INV-TRACE-7: of an entry with many traced writes the others are told so many", () => {
  const recorder = new Recorder();
  const traces = new EntryTraces(groupId(1), nodeId(1n), recorder.of("n1"));
  const frames: Uint8Array[] = [];
  traces.tellBy((frame) => frames.push(frame));
  const writes = Array.from({ length: 2 * TRACES_OF_ENTRY_MAX }, () =>
    new WriteSpans(recorder.of("n1"), CALL).proposed(),
  );
  traces.proposed(7, TERM, writes);
  expect(frames).toHaveLength(1);
  expect(frames[0]!.length).toBeLessThanOrEqual(3 + 24 * TRACES_OF_ENTRY_MAX);
  const { term, index, parents } = decodeTraceFrame(frames[0]!);
  expect([term, index]).toEqual([TERM, 7]);
  const told = writes.slice(0, TRACES_OF_ENTRY_MAX).map(({ replicate }) => replicate.spanId);
  expect(parents.map(({ spanId }) => spanId)).toEqual(told);
});

test("a frame of traces that is not exactly as described is refused", () => {
  const whole = encodeTraceFrame({ term: TERM, index: 7, parents: [CALL] });
  const many = new Uint8Array(3 + 24 * (TRACES_OF_ENTRY_MAX + 1)).fill(1);
  many.set([TERM, 7, TRACES_OF_ENTRY_MAX + 1]);
  const wrong = [
    new Uint8Array(),
    whole.subarray(0, -1),
    new Uint8Array([...whole, 0]),
    new Uint8Array([TERM, 7, 0]),
    many,
  ];
  for (const frame of wrong)
    expect(thrownBy(() => decodeTraceFrame(frame)).code).toBe("CODEC_DECODE");
  expect(decodeTraceFrame(whole)).toEqual({ term: TERM, index: 7, parents: [CALL] });
});

test("INV-TRACE-6: a write that is refused before its turn ends its span with the error", async () => {
  const recorder = new Recorder();
  const cluster = await TestCluster.of(1, {}, {}, (name) => recorder.of(name));
  const [{ engine }] = cluster.members as [TestCluster["members"][number]];
  const vault = await cluster.until(newVault(engine));
  const transactions = [transactionOf([createTuple("doc:1")])];
  const request = { vault, actor: "a", prove: false, transactions, trace: CALL };
  const past = cluster.time.monotonicMs() - 1;
  const { outcomes } = await cluster.until(engine.call("write", request, past));
  expect(outcomes[0]).toMatchObject({ kind: "refused", code: "DEADLINE_EXCEEDED" });
  expect(recorder.spans.map(({ name, isEnded }) => [name, isEnded])).toEqual([
    ["propose.wait", true],
  ]);
  expect(recorder.spans[0]!.error).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await cluster.close();
});
