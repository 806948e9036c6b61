/** What ends a watch, and what does not: nodes that lag, tokens that expire, proofs that cannot be had now. */
import { cluster } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { resuming } from "../src/calls/resuming.js";
import type { ClientOptions } from "../src/options.js";
import { refused, ScriptedNode, STREAM, scripted } from "./support/scripted-nodes.js";

/** Attempts at a stream: each gives out what it has, and ends with an error. */
function attempts(...scripts: readonly (readonly (string | LedgerError)[])[]) {
  let opened = 0;
  const open = async function* (): AsyncGenerator<string> {
    for (const step of scripts[opened++] ?? []) {
      if (typeof step !== "string") throw step;
      yield step;
    }
  };
  return { open, opened: () => opened };
}

async function read(stream: AsyncIterable<string>, into: string[], count: number): Promise<void> {
  for await (const message of stream) if (into.push(message) === count) return;
}

describe("a watch that was answered (INV-SDK-9)", () => {
  // The leader gives block 100 and is lost before its followers know that 100 is committed: the one that is asked from
  // 101 on says HEIGHT_NOT_REACHED, and is only a moment behind.
  it.each(["HEIGHT_NOT_REACHED", "STALE_REPLICA", "DEADLINE_EXCEEDED"] as const)(
    "goes on after %s",
    async (code) => {
      const behind = new LedgerError(code, "not yet");
      const { open } = attempts(["100", behind], [behind], ["101"]);
      const given: string[] = [];
      const told: string[] = [];
      const onInterrupted = (error: LedgerError): void => void told.push(error.code);
      await read(resuming(open, { onInterrupted }), given, 2);
      expect([given, told]).toEqual([
        ["100", "101"],
        [code, code],
      ]);
    },
  );

  // Sixty watches of one account lost their node and began again at the next one together: its rate let twenty through,
  // and the others ended with RATE_LIMITED, which unary calls wait for.
  it.each(["RATE_LIMITED", "PIN_LIMIT", "OVERLOADED"] as const)(
    "goes on after %s, when the node wants to be asked again",
    async (code) => {
      const { open } = attempts(
        ["100", new LedgerError(code, "wait", { retryAfterMs: 1 })],
        ["101"],
      );
      const given: string[] = [];
      await read(resuming(open, {}), given, 2);
      expect(given).toEqual(["100", "101"]);
    },
  );

  it("ends where a limit does not pass by waiting", async () => {
    const { open } = attempts(["100", new LedgerError("QUOTA_EXCEEDED", "no")], ["101"]);
    const error = await rejectedBy(read(resuming(open, {}), [], 2));
    expect(error.code).toBe("QUOTA_EXCEEDED");
  });

  it("and one that was not ends at once where the height is not there", async () => {
    const { open, opened } = attempts([new LedgerError("HEIGHT_NOT_REACHED", "no such block")]);
    const error = await rejectedBy(read(resuming(open, {}), [], 1));
    expect([error.code, opened()]).toEqual(["HEIGHT_NOT_REACHED", 1]);
  });

  it("turns to another node from one that has not heard of the block yet", async () => {
    const { nodes, transport } = scripted(2);
    const [a, b] = nodes;
    a!.stream = async function* () {
      yield "100";
      throw refused("HEIGHT_NOT_REACHED");
    };
    b!.stream = async function* () {
      yield "101";
    };
    const given: string[] = [];
    const open = () => transport.stream(STREAM, {}, { silenceMs: 1_000 });
    await read(resuming(open, {}), given, 2);
    expect(given).toEqual(["100", "101"]);
  });
});

// A learner cannot make the tokens of a watch of changes and says who leads. A program that knows the learner's address alone and
// makes no other calls never asked who the nodes are, so each attempt came to the learner again, and the watch ended.
describe("a watch at a node that does not lead", () => {
  const status = (nodeId: bigint): string => {
    const members = [1n, 2n].map((id) => ({
      ...{ nodeId: id, name: `n${id}`, peerAddress: "", replication: 0 as const, isActive: true },
      ...{ clientAddress: id === 1n ? "a:1" : "b:1", role: cluster.MemberRole.MEMBER_ROLE_VOTER },
    }));
    const answer = cluster.GetClusterStatusResponse.create({
      ...{ nodeId, clusterId: "ab".repeat(16), leaderId: 2n, members },
    });
    const bytes = cluster.GetClusterStatusResponse.encode(answer).finish();
    return Buffer.from(bytes).toString("latin1");
  };

  async function watchAtLearner(options: Partial<ClientOptions>) {
    const { nodes, byAddress, transport, time } = scripted(1, options);
    const leader = new ScriptedNode(time);
    byAddress.set("b:1", leader);
    nodes[0]!.script = () => status(1n);
    const next = () => Promise.reject(refused("NOT_LEADER"));
    nodes[0]!.stream = () => ({ [Symbol.asyncIterator]: () => ({ next }) });
    leader.script = () => status(2n);
    leader.stream = async function* () {
      yield "101";
    };
    const given: string[] = [];
    const open = () => transport.stream(STREAM, {}, { silenceMs: 1_000 });
    const error = await read(resuming(open, {}), given, 1).catch((thrown: unknown) => thrown);
    return { given, error, asked: nodes[0]!.calls.length };
  }

  it("goes on at the leader that the cluster names, though the program makes no other calls", async () => {
    const { given, error, asked } = await watchAtLearner({ discover: true });
    // The stream, and who leads.
    expect([given, error, asked]).toEqual([["101"], undefined, 2]);
  });

  it("ends where the client may not learn of other nodes", async () => {
    const { given, error } = await watchAtLearner({ discover: false });
    expect([given, LedgerError.from(error).code]).toEqual([[], "NOT_LEADER"]);
  });
});

describe("a stream whose token expired (INV-SDK-13)", () => {
  const expired = (valid: string) =>
    async function* ({ metadata }: { metadata: Readonly<Record<string, string>> }) {
      if (metadata["authorization"] !== `Bearer ${valid}`) throw refused("UNAUTHENTICATED");
      yield valid;
      throw refused("UNAUTHENTICATED");
    };

  // The node ends a stream when its token expires: calls asked for another token, a watch ended.
  it("begins again where credentials() gives another, once for each answer", async () => {
    let asked = 0;
    const { nodes, transport, time } = scripted(1, {
      allowPlaintextToken: true,
      credentials: () => `t${++asked}`,
    });
    nodes[0]!.stream = async function* (call) {
      if (call.metadata["authorization"] === "Bearer t3") throw refused("UNAUTHENTICATED");
      yield call.metadata["authorization"]!;
      await time.pass(3_600_000);
      throw refused("UNAUTHENTICATED");
    };
    const given: string[] = [];
    const open = () => transport.stream(STREAM, {}, { silenceMs: 7_200_000 });
    const error = await rejectedBy(read(resuming(open, {}), given, 3));
    expect([given, error.code, asked]).toEqual([
      ["Bearer t1", "Bearer t2"],
      "UNAUTHENTICATED",
      4, // The third was refused at once, and the fourth is for the next call.
    ]);
  });

  it("ends where there is no other", async () => {
    for (const options of [{ token: "t1" }, { credentials: () => "t1" }]) {
      const { nodes, transport } = scripted(1, { ...options, allowPlaintextToken: true });
      nodes[0]!.stream = expired("t1");
      const given: string[] = [];
      const open = () => transport.stream(STREAM, {}, { silenceMs: 1_000 });
      const error = await rejectedBy(read(resuming(open, {}), given, 2));
      expect([given, error.code]).toEqual([["t1"], "UNAUTHENTICATED"]);
    }
  });
});
