/** Retries, budgets, circuits, hedges and how a client ends: rules of time, under a clock that the test turns. */
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GrpcStatus, LedgerError } from "@authledger/types";
import { describe, expect, it, onTestFinished } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { attemptsOf, type ClientMetrics } from "../src/index.js";
import { dnsEndpoints, fileEndpoints } from "../src/sources/index.js";
import { WireError } from "../src/transport/wire.js";
import {
  ANYBODY,
  dropped,
  NEVER,
  READ,
  refused,
  scripted,
  WRITE,
} from "./support/scripted-nodes.js";

/** What a call came to, once time has passed. */
async function outcome<T>(call: Promise<T>): Promise<T | LedgerError> {
  return call.catch((error: LedgerError) => error);
}

describe("a call that is tried again", () => {
  it("waits twice as long each time, shortened by chance, and not before the server wants it", async () => {
    const { time, nodes, transport } = scripted(1, { deadlineMs: 60_000 });
    const [node] = nodes;
    node!.script = (_, count) => {
      if (count <= 3) throw refused("OVERLOADED", count === 3 ? 700n : 0n);
      return "yes";
    };
    time.chance = 0.5;
    const call = transport.call(READ, {}, "repeatable");
    const starts: number[] = [];
    for (let i = 0; i < 3; i++) {
      await time.pass(0);
      starts.push(Math.round(time.nextMs!));
      await time.pass(time.nextMs!);
    }
    expect(starts).toEqual([26, 51, 801]);
    expect(await call).toBe("yes");
  });

  it("carries what every attempt met with its error", async () => {
    const { time, nodes, transport } = scripted(2, { attemptsMax: 3 });
    const [a, b] = nodes;
    a!.script = async () => {
      throw dropped();
    };
    b!.script = () => {
      throw refused("OVERLOADED");
    };
    const call = outcome(transport.call(WRITE, {}, "repeatable"));
    await time.pass(5_000);
    const error = await call;
    expect(error).toBeInstanceOf(LedgerError);
    expect(attemptsOf(error).map(({ endpoint, code }) => `${endpoint} ${code}`)).toEqual([
      "a:1 UNAVAILABLE",
      "b:1 OVERLOADED",
      "b:1 OVERLOADED",
    ]);
    expect(attemptsOf(error).every(({ ms, message }) => ms >= 0 && message !== "")).toBe(true);
    expect(attemptsOf(new Error("x"))).toEqual([]);
  });

  /*
   * The story: a node that knew its state to be wrong answered "never": its clients stayed with it, and every call failed while two good
   * nodes stood beside it.
   */
  it.each(["once", "repeatable"] as const)(
    "goes to another node from one that knows its state to be wrong, also a call that is sent %s",
    async (kind) => {
      const { time, nodes, transport } = scripted(2);
      const [a, b] = nodes;
      a!.script = () => {
        throw refused("REPLICA_DIVERGED", 1_000n);
      };
      b!.script = () => "yes";
      const call = outcome(transport.call(WRITE, {}, kind));
      await time.pass(5_000);
      expect(await call).toBe("yes");
    },
  );

  it("is not sent to a node that had it more often than the budget of the client allows (INV-SDK-14)", async () => {
    const refusals: string[] = [];
    const metrics: ClientMetrics = { retryRefused: ({ name }) => refusals.push(name) };
    const { time, nodes, transport } = scripted(1, { attemptsMax: 100, breaker: false, metrics });
    const [node] = nodes;
    node!.script = () => {
      throw refused("OVERLOADED");
    };
    const calls = 100;
    for (let i = 0; i < calls; i++) {
      const call = rejectedBy(transport.call(READ, {}, "repeatable"));
      await time.pass(5_000);
      expect((await call).code).toBe("OVERLOADED");
    }
    const retries = node!.calls.length - calls;
    expect(retries).toBeGreaterThan(10);
    expect(retries).toBeLessThanOrEqual(10 + calls * 0.2);
    expect(refusals.length).toBeGreaterThan(50);
  });

  it("ends at its deadline, however many attempts are left (INV-SDK-2)", async () => {
    const { time, nodes, transport } = scripted(2, { attemptsMax: 1_000, deadlineMs: 3_000 });
    for (const node of nodes) node.script = NEVER;
    const call = outcome(transport.call(READ, {}, "repeatable"));
    await time.pass(2_999);
    await time.pass(2);
    expect(await call).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(nodes.map(({ calls }) => calls.length)).toEqual([1, 1]);
  });

  it("is given up at once by its signal, and a second try of what may have happened needs a key (INV-SDK-1)", async () => {
    const { time, nodes, transport } = scripted(1, { deadlineMs: 60_000 });
    nodes[0]!.script = () => {
      throw refused("OVERLOADED", 30_000n);
    };
    const stop = new AbortController();
    const call = outcome(transport.call(READ, {}, "repeatable", { signal: stop.signal }));
    await time.pass(10);
    stop.abort("enough");
    expect(await call).toMatchObject({ code: "CANCELLED", cause: "enough" });
    nodes[0]!.script = () => {
      throw dropped();
    };
    const before = nodes[0]!.calls.length;
    const once = outcome(transport.call(WRITE, {}, "once"));
    await time.pass(5_000);
    expect(await once).toMatchObject({ code: "UNAVAILABLE" });
    expect(nodes[0]!.calls.length).toBe(before + 1);
  });

  /*
   * A server gave a connection up from its own side: every call on it ended with INTERNAL of the library, without details of ours, and
   * none was tried again.
   */
  it("is tried again after the server gave the connection up, unless it may have happened and has no key (INV-SDK-1)", async () => {
    for (const [kind, tries] of [
      ["repeatable", 2],
      ["once", 1],
    ] as const) {
      const { time, nodes, transport } = scripted(1);
      nodes[0]!.script = (_, count) => {
        if (count > 1) return "yes";
        const text = "Received RST_STREAM with code 2 (Internal server error)";
        throw new WireError(GrpcStatus.INTERNAL, text);
      };
      const call = outcome(transport.call(WRITE, {}, kind));
      await time.pass(5_000);
      const got = await call;
      expect([kind, nodes[0]!.calls.length]).toEqual([kind, tries]);
      if (kind === "once") expect(got).toMatchObject({ code: "UNAVAILABLE" });
      else expect(got).toBe("yes");
    }
  });
});

describe("a circuit", () => {
  it("opens after failures in a row, lets one call through after a while, and rests twice as long when that fails (INV-SDK-15)", async () => {
    const changes: string[] = [];
    const metrics: ClientMetrics = { circuitChanged: ({ state }) => changes.push(state) };
    const { time, nodes, transport } = scripted(1, { attemptsMax: 1, metrics });
    time.chance = 0.5;
    const [node] = nodes;
    node!.script = () => {
      throw dropped();
    };
    const ask = () => outcome(transport.call(READ, {}, "repeatable"));
    for (let i = 0; i < 5; i++) expect(await ask()).toMatchObject({ code: "UNAVAILABLE" });
    const refusedCall = (await ask()) as LedgerError;
    expect([refusedCall.code, refusedCall.retryAfterMs]).toEqual(["CIRCUIT_OPEN", 500]);
    expect(refusedCall.message).toContain("a:1: the connection was dropped");
    expect([node!.calls.length, changes]).toEqual([5, ["open"]]);
    await time.pass(500);
    // One at a time: the second finds the first under way.
    const probes = await Promise.all([ask(), ask()]);
    expect(probes.map((one) => (one as LedgerError).code).sort()).toEqual([
      "CIRCUIT_OPEN",
      "UNAVAILABLE",
    ]);
    expect(((await ask()) as LedgerError).retryAfterMs).toBe(1_000);
    await time.pass(1_000);
    node!.script = () => "yes";
    expect(await ask()).toBe("yes");
    expect(await Promise.all([ask(), ask()])).toEqual(["yes", "yes"]);
    expect(changes).toEqual(["open", "half-open", "open", "half-open", "closed"]);
    expect(transport.endpoints()).toMatchObject([
      { address: "a:1", circuit: "closed", inFlight: 0 },
    ]);
  });

  // One node that swallows everything: while one call tried it, each of the others looked once a millisecond whether that had
  // ended, so that 500 calls made half a million timers a second.
  it("that one call tries is looked at by the others now and then (INV-SDK-15)", async () => {
    const { time, nodes, transport } = scripted(1, { attemptsMax: 1_000, deadlineMs: 20_000 });
    const [node] = nodes;
    node!.isReady = false;
    const stop = new AbortController();
    const { signal } = stop;
    const calls = Array.from({ length: 10 }, () =>
      outcome(transport.call(READ, {}, "repeatable", { signal })),
    );
    await time.pass(10);
    let tries = 0;
    node!.connect = () => {
      tries++;
      return new Promise(() => undefined);
    };
    await time.pass(1_000);
    expect([transport.endpoints()[0]?.circuit, tries]).toEqual(["half-open", 1]);
    const before = time.timersSet;
    await time.pass(1_000);
    expect(time.timersSet - before).toBeLessThan(9 * 50);
    stop.abort();
    await Promise.all(calls.slice(1));
  });

  it("that opened since there was no connection is tried as soon as there is one", async () => {
    const { nodes, transport } = scripted(1, { attemptsMax: 1, deadlineMs: 10 });
    nodes[0]!.isReady = false;
    for (let i = 0; i < 5; i++) await outcome(transport.call(READ, {}, "repeatable"));
    expect(await outcome(transport.call(READ, {}, "repeatable"))).toMatchObject({
      code: "CIRCUIT_OPEN",
    });
    nodes[0]!.isReady = true;
    expect(await transport.call(READ, {}, "repeatable")).toBe("yes");
  });

  it("is of one endpoint: others are asked meanwhile; what a node refuses for good opens none, and `false` turns it off", async () => {
    const { time, nodes, transport } = scripted(2);
    nodes[0]!.script = () => {
      throw dropped();
    };
    for (let i = 0; i < 10; i++) {
      const call = transport.call(READ, ANYBODY, "repeatable");
      await time.pass(1_000);
      expect(await call).toBe("yes");
    }
    const never = scripted(1, { attemptsMax: 1, breaker: false });
    never.nodes[0]!.script = () => {
      throw dropped();
    };
    const wrong = scripted(1);
    wrong.nodes[0]!.script = () => {
      throw refused("VAULT_NOT_FOUND");
    };
    for (let i = 0; i < 10; i++) {
      expect(await outcome(never.transport.call(READ, {}, "repeatable"))).toMatchObject({
        code: "UNAVAILABLE",
      });
      expect(await outcome(wrong.transport.call(READ, {}, "repeatable"))).toMatchObject({
        code: "VAULT_NOT_FOUND",
      });
    }
  });
});

describe("a hedged read", () => {
  it("asks a second node when the first is slow, takes the first answer, and cancels the other (INV-SDK-16)", async () => {
    const seen: string[] = [];
    const metrics: ClientMetrics = {
      attemptEnded: ({ isHedge, code }) => seen.push(`${isHedge} ${code}`),
    };
    const { time, nodes, transport } = scripted(2, {
      hedge: { afterMs: 20, shareMax: 1 },
      metrics,
    });
    const [a, b] = nodes;
    a!.script = NEVER;
    const call = transport.call(READ, {}, "repeatable");
    await time.pass(19);
    expect([a!.calls.length, b!.calls.length]).toEqual([1, 0]);
    await time.pass(1);
    expect(await call).toBe("yes");
    expect([a!.calls.length, b!.calls.length, a!.calls[0]!.signal?.aborted]).toEqual([1, 1, true]);
    await time.pass(0);
    expect(seen).toEqual(["true OK", "false CANCELLED"]);
    expect(transport.endpoints().map(({ inFlight, circuit }) => [inFlight, circuit])).toEqual([
      [0, "closed"],
      [0, "closed"],
    ]);
    // Writes are never asked twice at a time.
    const write = outcome(transport.call(WRITE, {}, "repeatable", { deadlineMs: 100 }));
    await time.pass(50);
    expect([a!.calls.length, b!.calls.length]).toEqual([2, 1]);
    await time.pass(60);
    await write;
  });

  it("that fails on one node waits for the other, and fails with what the first one met", async () => {
    const { time, nodes, transport } = scripted(2, {
      hedge: { afterMs: 20, shareMax: 1 },
      attemptsMax: 2,
    });
    const [a, b] = nodes;
    const fail = (after: number, code: "OVERLOADED" | "VAULT_NOT_FOUND") => () =>
      new Promise<string>((_, reject) => time.after(after, () => reject(refused(code))));
    a!.script = fail(30, "OVERLOADED");
    b!.script = () => new Promise((resolve) => time.after(30, () => resolve("late")));
    const call = transport.call(READ, {}, "repeatable");
    await time.pass(60);
    expect(await call).toBe("late");
    b!.script = fail(30, "OVERLOADED");
    a!.script = fail(30, "VAULT_NOT_FOUND");
    const lost = outcome(transport.call(READ, {}, "repeatable"));
    await time.pass(60);
    expect(await lost).toMatchObject({ code: "VAULT_NOT_FOUND" });
  });

  it("is one of a bounded share, and learns from the answers before what slow is (INV-SDK-16)", async () => {
    const { time, nodes, transport } = scripted(2, { hedge: { shareMax: 0.1 } });
    const [a, b] = nodes;
    let answerMs = 5;
    a!.script = () => new Promise((resolve) => time.after(answerMs, () => resolve("yes")));
    const reads = 200;
    for (let i = 0; i < reads; i++) {
      // While all are alike none is slow; then all are.
      if (i === 100) answerMs = 50;
      const call = transport.call(READ, {}, "repeatable");
      await time.pass(60);
      expect(await call).toBe("yes");
      if (i === 99) expect(b!.calls.length).toBe(0);
    }
    expect(b!.calls.length).toBeGreaterThan(0);
    expect(b!.calls.length).toBeLessThanOrEqual(10 + reads * 0.1);
  });
});

it("reads that any replica may answer go to the faster of two when they are to", async () => {
  const { time, nodes, transport } = scripted(2, { replicas: "fastest" });
  const [a, b] = nodes;
  a!.script = () => new Promise((resolve) => time.after(40, () => resolve("slow")));
  b!.script = () => new Promise((resolve) => time.after(2, () => resolve("fast")));
  for (let i = 0; i < 20; i++) {
    const call = transport.call(READ, ANYBODY, "repeatable");
    await time.pass(50);
    await call;
  }
  expect(b!.calls.length).toBeGreaterThan(a!.calls.length * 4);
  expect(a!.calls.length).toBeGreaterThan(0);
});

it("every request says which API and library it comes from, and what the call is called", async () => {
  const { nodes, transport } = scripted(1);
  await transport.call(READ, {}, "repeatable", { requestId: "r-1", metadata: { tenant: "x" } });
  expect(nodes[0]!.calls[0]!.metadata).toEqual({
    "authledger-api-version": "1",
    "authledger-sdk": expect.stringMatching(/^js\/\d/),
    "x-request-id": "r-1",
    tenant: "x",
  });
});

it("closing ends what runs and refuses what comes with CLIENT_CLOSED, while it waits too", async () => {
  const { time, nodes, transport } = scripted(1, { deadlineMs: 60_000 });
  nodes[0]!.script = () => {
    throw refused("OVERLOADED", 30_000n);
  };
  const waiting = outcome(transport.call(READ, {}, "repeatable"));
  await time.pass(10);
  transport.close();
  transport.close();
  expect(await waiting).toMatchObject({ code: "CLIENT_CLOSED" });
  expect(await outcome(transport.call(READ, {}, "repeatable"))).toMatchObject({
    code: "CLIENT_CLOSED",
  });
  expect(nodes[0]!.isClosed).toBe(true);
});

// A function of the program that hung once held up every call for ever, also those behind it and behind close(): one
// question is shared, and nothing ended the wait for it.
describe("a function of the program that hangs (INV-SDK-2)", () => {
  it("does not hold a call beyond its deadline, its signal or close(), and is asked again after a while", async () => {
    let asked = 0;
    const { time, transport, nodes } = scripted(1, {
      ...{ allowPlaintextToken: true, deadlineMs: 3_000 },
      credentials: () => (++asked === 1 ? new Promise<string>(() => undefined) : "t"),
    });
    const ended: string[] = [];
    const call = (signal?: AbortSignal): void => {
      const about = signal === undefined ? {} : { signal };
      void outcome(transport.call(READ, {}, "once", about)).then((end) =>
        ended.push(end instanceof LedgerError ? end.code : (end as string)),
      );
    };
    const controller = new AbortController();
    call(controller.signal);
    call();
    await time.pass(1_000);
    controller.abort();
    await time.pass(0);
    expect(ended).toEqual(["CANCELLED"]);
    await time.pass(2_000);
    expect(ended).toEqual(["CANCELLED", "DEADLINE_EXCEEDED"]);
    await time.pass(8_000);
    call();
    await time.pass(0);
    expect([ended.at(-1), asked, nodes[0]!.calls.length]).toEqual(["yes", 2, 1]);
  });

  it("neither where another token is asked for after one was refused, nor where the nodes are asked for", async () => {
    let asked = 0;
    const refusing = scripted(1, {
      ...{ allowPlaintextToken: true, deadlineMs: 3_000 },
      credentials: () => (++asked > 1 ? new Promise<string>(() => undefined) : "t"),
    });
    refusing.nodes[0]!.script = () => {
      throw refused("UNAUTHENTICATED");
    };
    const addresses = (): Promise<string[]> => new Promise(() => undefined);
    const nowhere = scripted(0, { endpoints: { addresses }, deadlineMs: 3_000 });
    for (const { transport, time } of [refusing, nowhere]) {
      const call = outcome(transport.call(READ, {}, "repeatable"));
      await time.pass(3_000);
      expect(await call).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    }
    const closing = outcome(nowhere.transport.call(READ, {}, "repeatable"));
    await nowhere.time.pass(10);
    nowhere.transport.close();
    expect(await closing).toMatchObject({ code: "CLIENT_CLOSED" });
  });

  it("nor does it take the time of the node that is asked then", async () => {
    const { time, transport, nodes } = scripted(2, {
      ...{ allowPlaintextToken: true, deadlineMs: 4_000 },
      credentials: () =>
        new Promise<string>((resolve) => {
          time.after(3_000, () => resolve("t"));
        }),
    });
    const call = outcome(transport.call(READ, {}, "repeatable"));
    await time.pass(3_000);
    expect([await call, nodes[0]!.calls.length, nodes[1]!.calls.length]).toEqual(["yes", 1, 0]);
  });
});

describe("a source of endpoints", () => {
  it("is asked before the first call and again when it is time; what stays keeps its connection", async () => {
    let addresses = ["a:1"];
    let asked = 0;
    const source = {
      refreshMs: 30_000,
      addresses: async () => {
        asked++;
        return addresses;
      },
    };
    const { time, byAddress, transport } = scripted(0, { endpoints: source });
    const ask = async () => {
      const call = transport.call(READ, {}, "repeatable");
      await time.pass(10);
      return call;
    };
    await ask();
    await ask();
    expect(asked).toBe(1);
    addresses = ["b:1", "a:1"];
    await time.pass(30_000);
    await ask();
    expect([asked, transport.endpoints().map(({ address }) => address)]).toEqual([
      2,
      ["b:1", "a:1"],
    ]);
    addresses = ["b:1"];
    await time.pass(30_000);
    await ask();
    expect(byAddress.get("a:1")!.isClosed).toBe(true);
    await ask();
    expect(byAddress.get("b:1")!.calls.length).toBeGreaterThan(0);
    addresses = [];
    await time.pass(30_000);
    await ask();
    expect(transport.endpoints()).toHaveLength(1);
  });

  it("that says nothing is an error of the call, and a file or a name is one", async () => {
    const broken = scripted(0, {
      endpoints: { addresses: () => Promise.reject(new Error("no such host")) },
    });
    expect(await outcome(broken.transport.call(READ, {}, "repeatable"))).toMatchObject({
      code: "UNAVAILABLE",
      message: "the source of endpoints gave none: no such host",
    });
    const directory = await mkdtemp(join(tmpdir(), "authledger-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const path = join(directory, "nodes");
    writeFileSync(path, "# ours\nn1:7400\n\n  n2:7400\n");
    expect(await fileEndpoints(path).addresses()).toEqual(["n1:7400", "n2:7400"]);
    const found = await dnsEndpoints("localhost:7400").addresses();
    expect(found.length).toBeGreaterThan(0);
    for (const one of found) expect(one).toMatch(/^(127\.0\.0\.1|\[::1\]):7400$/);
    expect((await rejectedBy(dnsEndpoints("localhost").addresses())).details).toEqual({
      field: "endpoints",
    });
  });
});
