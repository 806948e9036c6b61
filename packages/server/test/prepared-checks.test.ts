/** Checks that come again: the same answers as the first time, whatever happened in between, in bounded memory. */
import { read } from "@authledger/proto";
import { describe, expect, it } from "vitest";
import { Generations } from "../src/generations.js";
import { PreparedChecks } from "../src/prepared-checks.js";
import { call, failureOf, type Harness, methodOf, send, startHarness } from "./support/harness.js";
import { createTuple, TUPLE, transaction } from "./support/requests.js";

const CHECK = methodOf("read", "check").path;

function bytesOf(request: object): Buffer {
  return Buffer.from(read.CheckRequest.encode(read.CheckRequest.fromPartial(request)).finish());
}

async function write(h: Harness, operation: object): Promise<void> {
  const request = { ...h.tenant, transaction: transaction([operation]), prove: false };
  await call(h.client, ["write", "write"], request);
}

async function check(h: Harness, bytes: Uint8Array): Promise<read.CheckResponse> {
  return read.CheckResponse.decode(await send(h.client, CHECK, bytes));
}

describe("a check that comes again", () => {
  it("is asked again: its answer follows every write", async () => {
    const h = await startHarness();
    const bytes = bytesOf({ ...h.tenant, tuple: TUPLE });
    const remove = { operation: { $case: "deleteRelationship", value: { tuple: TUPLE } } };
    const seen: (readonly [boolean, bigint])[] = [];
    for (const operation of [undefined, createTuple(), remove, createTuple()]) {
      if (operation !== undefined) await write(h, operation);
      for (let again = 0; again < 3; again++) {
        const { allowed, height } = await check(h, bytes);
        seen.push([allowed, height]);
      }
    }
    const runs = [false, true, false, true].map((allowed, i) => [allowed, BigInt(i)] as const);
    expect(seen).toEqual(runs.flatMap((run) => [run, run, run]));
    expect(h.engine.requests("check")).toHaveLength(12);
  });

  it("is answered byte for byte as it would be decoded and encoded anew", async () => {
    const h = await startHarness();
    await write(h, createTuple());
    const plain = { ...h.tenant, tuple: TUPLE };
    const linearizable = { requirement: { $case: "linearizable", value: {} } };
    const first = await send(h.client, CHECK, bytesOf(plain));
    for (let again = 0; again < 3; again++) {
      expect(await send(h.client, CHECK, bytesOf(plain))).toEqual(first);
      const asked = bytesOf({ ...plain, consistency: linearizable });
      expect(await send(h.client, CHECK, asked)).toEqual(first);
    }
  });

  it("keeps vaults apart, and what differs in a byte", async () => {
    const h = await startHarness();
    const made = await call<{ vault: { slug: bigint } }>(h.client, ["admin", "createVault"], {
      ...h.tenant,
      name: "other",
    });
    await write(h, createTuple());
    const asked = [
      bytesOf({ ...h.tenant, tuple: TUPLE }),
      bytesOf({ ...h.tenant, vault: made.vault.slug, tuple: TUPLE }),
      bytesOf({ ...h.tenant, tuple: { ...TUPLE, subject: "user:anm" } }),
      bytesOf({ ...h.tenant, tuple: { ...TUPLE, subject: "user:\u00e9" } }),
    ];
    for (let again = 0; again < 3; again++) {
      const answers = await Promise.all(asked.map((bytes) => check(h, bytes)));
      expect(answers.map(({ allowed }) => allowed)).toEqual([true, false, false, false]);
      const tokens = answers.map(({ token }) => Buffer.from(token).toString("hex"));
      expect(new Set(tokens).size).toBe(2);
    }
  });

  it("is proven and as fresh as it asks to be, each time", async () => {
    const h = await startHarness();
    const plain = { ...h.tenant, tuple: TUPLE };
    await check(h, bytesOf(plain));
    const prove = { trustedSize: 0n, configHash: new Uint8Array(0) };
    const any = { requirement: { $case: "any", value: { maxStalenessMs: 5n } } };
    for (let again = 0; again < 2; again++) {
      expect((await check(h, bytesOf({ ...plain, prove }))).proof?.checkpoint).toBe("a note\n");
      await check(h, bytesOf({ ...plain, consistency: any }));
      expect(h.engine.requests("check").at(-1)!.consistency.kind).toBe("any");
    }
  });

  it("is refused again when it was wrong", async () => {
    const h = await startHarness();
    const wrong: readonly (readonly [Buffer, string])[] = [
      [bytesOf({ ...h.tenant, tuple: { ...TUPLE, relation: "9" } }), "INVALID_TUPLE"],
      [bytesOf({ ...h.tenant }), "INVALID_ARGUMENT"],
      [bytesOf({ organization: h.tenant.organization, tuple: TUPLE }), "SLUG_REQUIRED"],
      [Buffer.from([0x1a, 0x03, 0x0a, 0x01, 0xff]), "MALFORMED_MESSAGE"],
    ];
    for (let again = 0; again < 3; again++) {
      for (const [bytes, code] of wrong) {
        expect((await failureOf(send(h.client, CHECK, bytes))).details.code).toBe(code);
      }
    }
    expect(h.engine.requests("check")).toEqual([]);
  });
});

describe("what is remembered of checks", () => {
  it("is bounded, in number and in size", () => {
    const checks = new PreparedChecks(10);
    const ask = (subject: string): ReturnType<PreparedChecks["decode"]> => {
      const tuple = { ...TUPLE, subject };
      const prepared = checks.decode(bytesOf({ organization: 1n, vault: 2n, tuple }));
      const question = {
        vault: 0,
        tuples: [tuple],
        consistency: { kind: "linearizable" },
      } as const;
      if (prepared.question === undefined) checks.remember(prepared, question);
      return prepared;
    };
    ask("user:used");
    const used = ask("user:used");
    for (let i = 0; i < 200; i++) {
      ask(`user:u${i}`);
      ask(`user:u${i}`);
      expect(checks.size).toBeLessThanOrEqual(20);
      expect(ask("user:used")).toBe(used);
    }
    const before = checks.size;
    for (let i = 0; i < 2; i++) ask(`user:${"x".repeat(505)}`);
    expect(checks.size).toBe(before);
  });

  it("is what comes a second time: what is asked once pushes nothing out", () => {
    const checks = new PreparedChecks(10);
    const ask = (subject: string): ReturnType<PreparedChecks["decode"]> => {
      const tuple = { ...TUPLE, subject };
      const prepared = checks.decode(bytesOf({ organization: 1n, vault: 2n, tuple }));
      const consistency = { kind: "linearizable" } as const;
      if (prepared.question === undefined) {
        checks.remember(prepared, { vault: 0, tuples: [tuple], consistency });
      }
      return prepared;
    };
    ask("user:used");
    const used = ask("user:used");
    for (let i = 0; i < 1_000; i++) ask(`user:once-${i}`);
    expect(ask("user:used")).toBe(used);
    expect(checks.size).toBe(1);
  });
});

describe("generations", () => {
  it("forget first what was not asked for longest, and never more than they must", () => {
    const map = new Generations<number>(3);
    for (const key of ["a", "b", "c", "d"]) map.set(key, key.charCodeAt(0));
    expect(map.get("a")).toBe(97);
    expect(map.size).toBe(4);
    for (const key of ["e", "f"]) map.set(key, 0);
    expect([map.get("a"), map.get("b"), map.get("f")]).toEqual([97, undefined, 0]);
    expect(map.size).toBeLessThanOrEqual(6);
  });

  it("count a key once, whatever is set to it", () => {
    const map = new Generations<number>(2);
    for (let i = 0; i < 10; i++) map.set("a", i);
    expect([map.size, map.get("a")]).toEqual([1, 9]);
  });
});
