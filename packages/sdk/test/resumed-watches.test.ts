/** What ends a watch, and what does not: nodes that lag, tokens that expire, proofs that cannot be had now. */
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { resuming } from "../src/calls/resuming.js";
import { refused, STREAM, scripted } from "./support/scripted-nodes.js";

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
