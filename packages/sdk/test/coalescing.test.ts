/** Calls of one tick become one request, and each of them ends by itself. */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { read, write } from "@authledger/proto";
import { LedgerError } from "@authledger/types";
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from "vitest";
import {
  atLeast,
  type ClientOptions,
  createClient,
  createTuple,
  deleteTuple,
  type LedgerClient,
  type NoneEmpty,
  type NotEmpty,
  setEntity,
  type TransactionInput,
} from "../src/index.js";
import {
  appliedWrite,
  type FakeHandlers,
  fakeLedger,
  NONE,
  refusal,
} from "./support/fake-ledger.js";

const TUPLE = { resource: "doc:1", relation: "viewer", subject: "user:alice" };

async function clientOf(
  handlers: FakeHandlers,
  options: Partial<ClientOptions> = {},
): Promise<LedgerClient> {
  const { endpoint } = await fakeLedger(handlers);
  const tenant = { organization: "7", vault: "9" };
  const client = createClient({ endpoints: endpoint, tenant, ...options });
  onTestFinished(() => client.close());
  return client;
}

function subject(i: number): string {
  return `doc:1#viewer@user:${i}`;
}

/** Even users are viewers. Keeps how many tuples each request asked about. */
function checking(hold: (asked: number) => Promise<unknown> | undefined = () => undefined) {
  const requests: number[] = [];
  const isViewer = (tuple: read.CheckRequest["tuple"]): boolean =>
    Number(tuple?.subject.slice("user:".length)) % 2 === 0;
  const handlers: FakeHandlers = {
    read: {
      check: async ({ tuple }) => {
        requests.push(1);
        await hold(1);
        return { allowed: isViewer(tuple), height: 7n, token: Uint8Array.of(1) };
      },
      batchCheck: async ({ tuples }) => {
        requests.push(tuples.length);
        await hold(tuples.length);
        return { allowed: tuples.map(isViewer), height: 7n, token: Uint8Array.of(1) };
      },
    },
  };
  return { requests, handlers };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error("it was answered"),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LedgerError)) throw error;
  return error.code;
}

describe("calls of one tick", () => {
  it("become one request, and each gets its own answer", async () => {
    const { requests, handlers } = checking();
    const client = await clientOf(handlers);
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        // However deep in microtasks the call is made: the tick ends when nothing is ready to run.
        for (let depth = 0; depth < i % 7; depth++) await undefined;
        return client.hasTuple(subject(i));
      }),
    );
    expect(answers.map(({ stored }) => stored)).toEqual(answers.map((_, i) => i % 2 === 0));
    expect(answers[0]).toEqual({ stored: true, height: 7n, token: "AQ" });
    expect(requests).toEqual([100]);
  });

  it("go on together when one answer set them going", async () => {
    const { requests, handlers } = checking();
    const client = await clientOf(handlers);
    const twice = async (i: number): Promise<void> => {
      await client.hasTuple(subject(i));
      await client.hasTuple(subject(i + 1));
    };
    await Promise.all([twice(1), twice(2), twice(3)]);
    expect(requests).toEqual([3, 3]);
  });

  it("are sent as what they are when alone, named, or coalescing is off", async () => {
    const { requests, handlers } = checking();
    const client = await clientOf(handlers);
    await client.hasTuple(subject(2));
    const named = { requestId: "mine" };
    await Promise.all([client.hasTuple(subject(1), named), client.hasTuple(subject(2), named)]);
    const off = await clientOf(handlers, { coalesce: false });
    await Promise.all([off.hasTuple(subject(1)), off.hasTuple(subject(2))]);
    expect(requests).toEqual([1, 1, 1, 1, 1]);
  });

  it("share a request only when they ask for the same consistency and the same proof", async () => {
    const asked: (string | undefined)[] = [];
    const client = await clientOf({
      read: {
        batchCheck: ({ tuples, consistency }) => {
          asked.push(`${consistency?.requirement?.$case} x${tuples.length}`);
          return { allowed: tuples.map(() => true), height: 7n, token: NONE };
        },
      },
    });
    const consistency = atLeast("AQ");
    await Promise.all([
      client.hasTuple(subject(1)),
      client.hasTuple(subject(1), { consistency }),
      client.hasTuple(subject(2)),
      client.hasTuple(subject(2), { consistency: atLeast("AQ") }),
    ]);
    expect(asked.sort()).toEqual(["atLeast x2", "linearizable x2"]);
  });

  it("are at most 1,000 in a request, and what is over the limit goes in the next", async () => {
    const { requests, handlers } = checking();
    const client = await clientOf(handlers);
    await Promise.all(Array.from({ length: 1_500 }, (_, i) => client.hasTuple(subject(i))));
    expect(requests.sort()).toEqual([1_000, 500]);
  });

  it("gather while three requests are on their way", async () => {
    const gate = deferred();
    const { requests, handlers } = checking(() => gate.promise);
    const client = await clientOf(handlers);
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 10; i++) {
      calls.push(client.hasTuple(subject(i)));
      await nextTurn();
    }
    await vi.waitFor(() => expect(requests).toHaveLength(3), { timeout: 10_000, interval: 5 });
    await sleep(50);
    expect(requests).toEqual([1, 1, 1]);
    gate.resolve();
    await Promise.all(calls);
    expect(requests).toEqual([1, 1, 1, 7]);
  });
});

describe("a call of a batch ends by itself (INV-SDK-6)", () => {
  it("when its argument is wrong", async () => {
    const { requests, handlers } = checking();
    const client = await clientOf(handlers);
    const wrong = codeOf(client.hasTuple("doc:1#viewer"));
    const late = codeOf(client.hasTuple(subject(1), { deadlineMs: -1 }));
    const right = Promise.all([client.hasTuple(subject(1)), client.hasTuple(subject(2))]);
    expect(await wrong).toBe("INVALID_TUPLE");
    expect(await late).toBe("INVALID_ARGUMENT");
    expect((await right).map(({ stored }) => stored)).toEqual([false, true]);
    expect(requests).toEqual([2]);
  });

  it("when its caller gives up: before, while it waits, while it is on its way", async () => {
    const gate = deferred();
    const { requests, handlers } = checking(() => gate.promise);
    const client = await clientOf(handlers);
    const [waiting, flying] = [new AbortController(), new AbortController()];
    const before = codeOf(client.hasTuple(subject(1), { signal: AbortSignal.abort() }));
    const given = codeOf(client.hasTuple(subject(2), { signal: waiting.signal }));
    const late = codeOf(client.hasTuple(subject(3), { signal: flying.signal }));
    const others = Promise.all([client.hasTuple(subject(4)), client.hasTuple(subject(5))]);
    waiting.abort();
    expect([await before, await given]).toEqual(["CANCELLED", "CANCELLED"]);
    while (requests.length === 0) await sleep(1);
    flying.abort();
    expect(await late).toBe("CANCELLED");
    gate.resolve();
    expect((await others).map(({ stored }) => stored)).toEqual([true, false]);
    expect(requests).toEqual([3]);
  });

  it("and when all have given up, so is the request", async () => {
    const cancelled = deferred();
    const client = await clientOf({
      read: {
        batchCheck: (_, call) => {
          call.on("cancelled", () => cancelled.resolve());
          return new Promise(() => undefined);
        },
      },
    });
    const { signal, abort } = controller();
    const calls = [1, 2].map((i) => codeOf(client.hasTuple(subject(i), { signal })));
    await sleep(30);
    abort();
    expect(await Promise.all(calls)).toEqual(["CANCELLED", "CANCELLED"]);
    await cancelled.promise;
  });

  it("at its own deadline, with the endpoint in its error, while those with more time go on", async () => {
    const { handlers, requests } = checking(() => (requests.length > 1 ? sleep(300) : undefined));
    const client = await clientOf(handlers);
    // Connected: what is not answered in time is then the server's doing.
    await client.hasTuple(subject(0));
    const hasty = client.hasTuple(subject(1), { deadlineMs: 40 });
    const patient = client.hasTuple(subject(2), { deadlineMs: 4_000 });
    const error: unknown = await hasty.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", details: { deadlineMs: 40 } });
    expect(String(error)).toMatch(/127\.0\.0\.1:\d+ is connected, but did not answer "Check"/);
    expect((await patient).stored).toBe(true);
  });

  it("at its own deadline when it still waits to be sent, and when nothing is there to connect to", async () => {
    const { handlers, requests } = checking(() =>
      requests.length > 1 ? new Promise(() => undefined) : undefined,
    );
    const client = await clientOf(handlers);
    await client.hasTuple(subject(0));
    const calls = [1, 2, 3].map(async (i) => {
      for (let turn = 0; turn < i; turn++) await nextTurn();
      return codeOf(client.hasTuple(subject(i), { deadlineMs: 200 }));
    });
    await sleep(50);
    expect(await codeOf(client.hasTuple(subject(4), { deadlineMs: 40 }))).toBe("DEADLINE_EXCEEDED");
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["DEADLINE_EXCEEDED"]));
    expect(requests).toEqual([1, 1, 1, 1]);
    const lost = createClient({
      endpoints: "127.0.0.1:1",
      tenant: { organization: 7n, vault: 9n },
    });
    onTestFinished(() => lost.close());
    const asked = [1, 2].map((i) => lost.hasTuple(subject(i), { deadlineMs: 300 * i }));
    for (const call of asked) await expect(call).rejects.toThrow(/127\.0\.0\.1:1: .*refused/);
  });

  it("when the server refuses it: the others are asked again without it", async () => {
    const requests: number[] = [];
    const client = await clientOf({
      read: {
        batchCheck: ({ tuples }) => {
          requests.push(tuples.length);
          const i = tuples.findIndex(({ subject: who }) => who === "user:5");
          const context = { field: `tuples[${i}].subject` };
          if (i >= 0) throw refusal("INVALID_TUPLE", "no such user", { context });
          return { allowed: tuples.map(() => true), height: 7n, token: NONE };
        },
        check: () => {
          throw refusal("INVALID_TUPLE", "no such user");
        },
      },
    });
    const calls = Array.from({ length: 8 }, (_, i) =>
      client.hasTuple(subject(i)).then(
        ({ stored }) => stored,
        (error: LedgerError) => error.code,
      ),
    );
    const expected = Array.from({ length: 8 }, (_, i) => (i === 5 ? "INVALID_TUPLE" : true));
    expect(await Promise.all(calls.slice(0, 4))).toEqual(expected.slice(0, 4));
    expect(requests.slice(0, 2)).toEqual([8, 4]);
  });

  it("and an answer that would be too large is asked for in halves", async () => {
    const requests: number[] = [];
    const entity = (key: string) => ({
      key,
      value: NONE,
      nonce: NONE,
      version: 1n,
      expiresAtMs: 0n,
    });
    const client = await clientOf({
      read: {
        batchRead: ({ keys }) => {
          requests.push(keys.length);
          if (keys.length > 2) throw refusal("LIMIT_EXCEEDED", "too large");
          return { results: keys.map((key) => ({ entity: entity(key) })), height: 7n, token: NONE };
        },
      },
    });
    const answers = await Promise.all(["a", "b", "c", "d"].map((key) => client.read(key)));
    expect(answers.map((answer) => answer.entity?.key)).toEqual(["a", "b", "c", "d"]);
    expect(requests).toEqual([4, 2, 2]);
  });

  it("but what is wrong with all of them is asked once", async () => {
    let requests = 0;
    const client = await clientOf({
      read: {
        batchCheck: () => {
          requests++;
          throw refusal("VAULT_NOT_FOUND", "no vault 9");
        },
      },
    });
    const codes = await Promise.all([1, 2, 3].map((i) => codeOf(client.hasTuple(subject(i)))));
    expect(codes).toEqual(["VAULT_NOT_FOUND", "VAULT_NOT_FOUND", "VAULT_NOT_FOUND"]);
    expect(requests).toBe(1);
  });
});

describe("writes of one tick", () => {
  function writing() {
    const requests: write.Transaction[][] = [];
    const handlers: FakeHandlers = {
      write: {
        write: ({ transaction }) => {
          requests.push([transaction!]);
          return appliedWrite();
        },
        batchWrite: ({ transactions }) => {
          requests.push(transactions);
          const results = transactions.map(({ reason }) => {
            if (reason !== "no") {
              return { outcome: { $case: "applied" as const, value: appliedWrite().result! } };
            }
            const about = {
              number: 3020,
              action: "",
              retryable: false,
              retryAfterMs: 0n,
              context: {},
            };
            const value = { code: "PRECONDITION_FAILED", message: "no", ...about };
            return { outcome: { $case: "refused" as const, value } };
          });
          return { results, token: Uint8Array.of(4, 5) };
        },
      },
    };
    return { requests, handlers };
  }

  it("stay in order, stay transactions of their own, and one that is refused fails alone", async () => {
    const { requests, handlers } = writing();
    const client = await clientOf(handlers);
    const operations = [createTuple(TUPLE)];
    const calls = ["a", "no", "b"].map((reason) => client.write({ operations, reason }));
    const [first, second, third] = await Promise.allSettled(calls);
    expect(requests.map((batch) => batch.map(({ reason }) => reason))).toEqual([["a", "no", "b"]]);
    expect(new Set(requests[0]!.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    expect(first).toMatchObject({ value: { height: 12n, token: "BAU", statuses: ["created"] } });
    expect(second).toMatchObject({ reason: { code: "PRECONDITION_FAILED" } });
    expect(third).toMatchObject({ status: "fulfilled" });
    await client.write(operations);
    expect(requests[1]).toHaveLength(1);
  });

  // A node that lost its leadership answers for each transaction of a batch by itself. The same write sent alone waited
  // for the next leader; those of a batch were refused at once.
  it("that the node cannot take now are sent again under their keys until it can, and the others wait for nothing (INV-SDK-6)", async () => {
    const requests: string[][] = [];
    const keys = new Map<string, Set<string>>();
    const failures = ["", "NOT_LEADER", "COMMIT_UNKNOWN", "NO_LEADER"];
    const result = appliedWrite().result!;
    const client = await clientOf({
      write: {
        write: ({ transaction }) => {
          requests.push([transaction!.reason]);
          keys.get(transaction!.reason)!.add(transaction!.idempotencyKey);
          return appliedWrite();
        },
        batchWrite: ({ transactions }) => {
          requests.push(transactions.map(({ reason }) => reason));
          const results = transactions.map(({ reason, idempotencyKey }) => {
            keys.set(reason, (keys.get(reason) ?? new Set()).add(idempotencyKey));
            const code = failures[Number(reason)] ?? "";
            const isRefused = code !== "" && requests.length < 3;
            if (!isRefused || (requests.length > 1 && reason === "1")) {
              return { outcome: { $case: "applied" as const, value: result } };
            }
            return { outcome: { $case: "refused" as const, value: refusedAs(code) } };
          });
          return { results, token: Uint8Array.of(4, 5) };
        },
      },
    });
    const ended: string[] = [];
    const calls = failures.map(async (_, i) => {
      await client.write({ operations: [createTuple(TUPLE)], reason: String(i) });
      ended.push(`${i} behind ${requests.length}`);
    });
    await Promise.all(calls);
    expect(requests).toEqual([
      ["0", "1", "2", "3"],
      ["1", "2", "3"],
      ["2", "3"],
    ]);
    expect(ended).toEqual(["0 behind 1", "1 behind 2", "2 behind 3", "3 behind 3"]);
    expect([...keys.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1]);
  });

  it("are sent again no longer than the deadline and the budget allow, and each fails with what it met", async () => {
    let requests = 0;
    const client = await clientOf({
      write: {
        batchWrite: ({ transactions }) => {
          requests++;
          const results = transactions.map(({ reason }) => ({
            outcome: { $case: "refused" as const, value: refusedAs(reason) },
          }));
          return { results, token: Uint8Array.of(4, 5) };
        },
      },
    });
    const write = (reason: string, deadlineMs: number): Promise<string> =>
      codeOf(client.write({ operations: [createTuple(TUPLE)], reason }, { deadlineMs }));
    const elections = ["NOT_LEADER", "NO_LEADER"];
    expect(await Promise.all(elections.map((code) => write(code, 1_500)))).toEqual(elections);
    expect(requests).toBeGreaterThan(2);
    requests = 0;
    const codes = ["OVERLOADED", "COMMIT_UNKNOWN", "PRECONDITION_FAILED"];
    expect(await Promise.all(codes.map((code) => write(code, 5_000)))).toEqual(codes);
    expect(requests).toBe(5);
  });

  it("are split where their values would be too much for one message", async () => {
    const { requests, handlers } = writing();
    const client = await clientOf(handlers);
    const value = new Uint8Array(1 << 20);
    await Promise.all(
      Array.from({ length: 6 }, (_, i) => client.write([setEntity(`k:${i}`, value)])),
    );
    expect(requests.map((batch) => batch.length)).toEqual([3, 3]);
  });
});

/** What a transaction of a batch is refused with. */
function refusedAs(code: string) {
  const about = { number: 1, action: "", retryable: true, retryAfterMs: 0n, context: {} };
  return { code, message: "no", ...about };
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function controller(): { signal: AbortSignal; abort: () => void } {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort() };
}

describe("checks that are decided", () => {
  it("of one tick travel together where they bring the same context, and the one that is wrong ends alone (INV-SDK-6)", async () => {
    const requests: string[] = [];
    const decided = { height: 7n, token: Uint8Array.of(1), modelVersion: 3n, cost: 1n };
    const decide = (subject = "", at = ""): boolean => {
      if (subject === "user:bad") {
        const context = { field: at };
        throw refusal("TYPE_NOT_FOUND", "no such type", { context });
      }
      return subject === "user:alice";
    };
    const client = await clientOf({
      authorization: {
        check: ({ tuple, context }) => {
          requests.push(`1 ${context?.contextJson ?? ""}`);
          return { allowed: decide(tuple?.subject), ...decided };
        },
        batchCheck: ({ tuples, context }) => {
          requests.push(`${tuples.length} ${context?.contextJson ?? ""}`);
          const allowed = tuples.map(({ subject }, i) => decide(subject, `tuples[${i}]`));
          return { allowed, ...decided };
        },
      },
    });
    const ask = (user: string, context?: { hour: number }) =>
      client.check(`doc:1#viewer@user:${user}`, { ...(context && { context }) });
    const early = { hour: 8 };
    const answers = await Promise.all([
      ...[
        ask("alice"),
        ask("bob"),
        ask("alice", early),
        ask("bob", { hour: 8 }),
        ask("bob", { hour: 9 }),
      ],
    ]);
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, false, true, false, false]);
    expect(answers[0]).toMatchObject({ height: 7n, modelVersion: 3n });
    expect(requests.sort()).toEqual(['1 {"hour":9}', "2 ", '2 {"hour":8}']);
    const mixed = await Promise.allSettled([ask("alice"), ask("bad"), ask("bob")]);
    expect(mixed.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  // JSON drops `undefined` and makes NaN null: a context that cannot be sent looked like another one's, whose call failed with
  // it, or whose answer it got. A bigint was a TypeError.
  it("with a context that cannot be sent fail alone, whoever is first (INV-SDK-6)", async () => {
    const requests: string[] = [];
    const client = await clientOf({
      authorization: {
        check: ({ context }) => {
          requests.push(context?.contextJson ?? "");
          return { allowed: true, height: 7n, token: NONE, modelVersion: 3n, cost: 1n };
        },
      },
    });
    const ask = async (context: object): Promise<string> => {
      const options = { context } as Parameters<typeof client.check>[1];
      const { allowed } = await client.check(TUPLE, options);
      return String(allowed);
    };
    const settled = (...contexts: object[]) =>
      Promise.all(
        contexts.map((context) => ask(context).catch((error: LedgerError) => error.code)),
      );
    const pairs: [object, object][] = [
      [{ ip: undefined }, {}],
      [{ hour: Number.NaN }, { hour: null }],
      [{ id: 1n }, { id: 1 }],
    ];
    for (const [bad, good] of pairs) {
      expect(await settled(bad, good)).toEqual(["INVALID_ARGUMENT", "true"]);
      expect(await settled(good, bad)).toEqual(["true", "INVALID_ARGUMENT"]);
    }
    expect(requests).toEqual([
      "{}",
      "{}",
      '{"hour":null}',
      '{"hour":null}',
      '{"id":1}',
      '{"id":1}',
    ]);
  });

  it("a list that is empty is refused by the compiler, one that turns out to be empty by the ledger", () => {
    // `check`, `write` and the others take a list that is also `NotEmpty` of itself: nothing is, when there is nothing in it.
    expectTypeOf<NotEmpty<readonly []>>().toBeNever();
    expectTypeOf<NotEmpty<readonly string[]>>().toBeUnknown();
    expectTypeOf<NotEmpty<readonly ["a", "b"]>>().toBeUnknown();
    expectTypeOf<LedgerClient["checkMany"]>().toBeCallableWith([TUPLE]);
    // Operations of a transaction are such a list too, alone and in a batch.
    const one = [deleteTuple(TUPLE)] as const;
    expectTypeOf<TransactionInput<[]>["operations"]>().toBeNever();
    expectTypeOf<TransactionInput<typeof one>["operations"]>().toEqualTypeOf<typeof one>();
    expectTypeOf<LedgerClient["write"]>().toBeCallableWith({ operations: one });
    type None = { readonly operations: readonly [] };
    expectTypeOf<NoneEmpty<readonly [TransactionInput, None]>[1]>().toBeNever();
    expectTypeOf<NoneEmpty<readonly [TransactionInput, None]>[0]>().toBeUnknown();
  });
});
