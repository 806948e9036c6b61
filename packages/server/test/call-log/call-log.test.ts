/** The canonical line of a call: which calls get one, and what it says. */
import { LedgerError } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { CallLog } from "../../src/call-log/call-log.js";
import { textOfLine } from "../../src/call-log/log-format.js";
import { type LogRules, logRulesOf } from "../../src/call-log/log-rules.js";
import { RuntimeConfig } from "../../src/config/runtime-config.js";
import { createLogger } from "../../src/logger.js";
import { call, errorOf, type Harness, methodOf, send, startHarness } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";

const LOG_RULES = logRulesOf(new RuntimeConfig().values);

interface Line {
  readonly [field: string]: unknown;
}

/** A node whose log is in memory; `random` and `nowMs` are as the test says. */
async function withLog(rules: Partial<LogRules>, draws = { random: 0.999, nowMs: 0 }) {
  const lines: Line[] = [];
  const logger = createLogger("info", (line) => void lines.push(JSON.parse(line)));
  const deps = { logger, random: () => draws.random, nowMs: () => draws.nowMs };
  const log = new CallLog(deps, { ...LOG_RULES, slowMs: 60_000, ...rules });
  const named = {
    enter: (gated: { principal: unknown }) => {
      gated.principal = { kind: "key", name: "key:ann" };
    },
  };
  const h = await startHarness({ steps: [named], observers: [log] });
  return { h, log, lines, draws };
}

const check = (h: Harness, more: object = {}, metadata = new Metadata()): Promise<unknown> =>
  call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE, ...more }, { metadata });
const write = (h: Harness): Promise<unknown> =>
  call(h.client, ["write", "write"], {
    ...{ ...h.tenant, transaction: transaction([createTuple()]), prove: false },
  });

describe("the line of a call", () => {
  test("says who called what from where, how it ended, and under which names", async () => {
    const { h, lines } = await withLog({ readRate: 1, writeRate: 1 });
    const metadata = new Metadata();
    metadata.set("x-request-id", "r-1");
    metadata.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    metadata.set("authledger-sdk", "typescript/0.1.0");
    await check(
      h,
      { consistency: { requirement: { $case: "linearizable", value: {} } } },
      metadata,
    );
    await write(h);
    const { organization, vault } = h.tenant;
    expect(lines[0]).toMatchObject({
      ...{ msg: "call", requestId: "r-1", traceId: "4bf92f3577b34da6a3ce929d0e0e4736" },
      ...{ principal: "key:ann", organization: String(organization), vault: String(vault) },
      ...{ method: "ReadService/check", status: "OK", sdk: "typescript/0.1.0", raft: 1 },
      ...{ client: "127.0.0.1", why: "sample", ms: expect.any(Number) },
    });
    expect(lines[0]).not.toHaveProperty("error");
    expect(lines[1]).toMatchObject({ method: "WriteService/write", raft: 1, status: "OK" });
  });

  test("INV-TRACE-2: failed and slow calls are all logged, also malformed ones, and administration is", async () => {
    const { h, lines } = await withLog({ readRate: 0, writeRate: 0 });
    await errorOf(check(h, { organization: 0n }));
    await errorOf(send(h.client, methodOf("read", "check").path, Uint8Array.of(255)));
    await check(h);
    await call(h.client, ["admin", "createOrganization"], { name: "acme" });
    expect(lines.map(({ status, error, why }) => [status, error, why])).toEqual([
      ["INVALID_ARGUMENT", "SLUG_REQUIRED", "error"],
      ["INVALID_ARGUMENT", expect.any(String), "error"],
      ["OK", undefined, "administration"],
    ]);
    const slow = await withLog({ readRate: 0, slowMs: 0 });
    await check(slow.h);
    expect(slow.lines.map(({ why }) => why)).toEqual(["slow"]);
  });

  test("calls that went well are logged by the share of their kind, those of named callers by theirs", async () => {
    const { h, log, lines, draws } = await withLog({});
    const logged = async (random: number, ...calls: readonly (() => Promise<unknown>)[]) => {
      draws.random = random;
      lines.length = 0;
      for (const made of calls) await made();
      return lines.map(({ method, why }) => `${method} ${why}`);
    };
    const both = [() => check(h), () => write(h)];
    expect(await logged(0.009, ...both)).toEqual([
      "ReadService/check sample",
      "WriteService/write sample",
    ]);
    expect(await logged(0.09, ...both)).toEqual(["WriteService/write sample"]);
    expect(await logged(0.11, ...both)).toEqual([]);
    log.rules = { ...LOG_RULES, vips: new Set(["key:ann"]) };
    expect(await logged(0.49, ...both)).toEqual([
      "ReadService/check vip",
      "WriteService/write vip",
    ]);
    log.rules = { ...LOG_RULES, vips: new Set([String(h.tenant.organization)]) };
    expect(await logged(0.49, () => check(h))).toEqual(["ReadService/check vip"]);
    expect(await logged(0.51, ...both)).toEqual([]);
  });

  test("INV-TRACE-2: more lines than the log takes in a second are left out and counted", async () => {
    const { log, lines, h, draws } = await withLog({ readRate: 1 });
    await check(h);
    const ended = {
      ...{ method: { path: "/x", service: "ReadService", name: "check", isStream: false } },
      ...{ status: 8, error: new LedgerError("OVERLOADED", "full"), principal: { name: "p" } },
      ...{ target: {}, requestId: "r", traceId: undefined, wasPassedOn: false },
      wire: { metadata: new Metadata(), request: {}, getPeer: () => "[::1]:7" },
      client: "::1",
    } as never;
    for (let i = 0; i < 1_500; i++) log.ended(ended, 1);
    expect(lines).toHaveLength(1_000);
    expect([log.lines, log.dropped]).toEqual([1_000, 501]);
    draws.nowMs = 1_000;
    log.ended(ended, 1);
    expect(lines.at(-1)).toMatchObject({ client: "::1", error: "OVERLOADED" });
  });

  test("a log that takes no such lines costs nothing", async () => {
    const lines: string[] = [];
    const logger = createLogger("warn", (line) => void lines.push(line));
    const log = new CallLog({ logger, random: () => 0, nowMs: () => 0 }, LOG_RULES);
    log.ended({} as never, 1);
    expect([lines, log.lines, log.dropped]).toEqual([[], 0, 0]);
  });
});

describe("lines of text", () => {
  test("have the time, the level and the message first, values with spaces in quotes, and a trace under them", () => {
    const lines: string[] = [];
    const logger = createLogger("info", (line) => void lines.push(line), true);
    logger.info(
      { method: "ReadService/check", client: undefined, text: 'a "b" c', ms: 1.5 },
      "call",
    );
    logger.error({ err: new Error("broken") }, "it broke");
    expect(lines[0]).toMatch(
      /^\S+Z INFO {2}call method=ReadService\/check text="a \\"b\\" c" ms=1.5\n$/,
    );
    expect(lines[1]).toMatch(/^\S+Z ERROR it broke\n {2}Error: broken\n {6}at /);
    expect(textOfLine('{"level":99,"time":"t","msg":"m","list":[1]}\n')).toBe(
      "t 99    m list=[1]\n",
    );
  });
});
