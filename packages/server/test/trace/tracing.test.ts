/** Which calls are traced. */
import { describe, expect, test } from "vitest";
import { Tracing } from "../../src/trace/tracing.js";
import { call, startHarness } from "../support/harness.js";
import { transaction } from "../support/requests.js";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN = "00f067aa0ba902b7";

describe("traces", () => {
  test("INV-TRACE-5: calls without a caller's trace are recorded by their share; others as their callers say", () => {
    const begun: unknown[] = [];
    const span = { traceId: TRACE, spanId: CLIENT_SPAN, end: () => undefined };
    const recorder = {
      begin: () => span,
      beginCall: (_name: string, parent: unknown) => {
        begun.push(parent);
        return span;
      },
      close: async () => undefined,
    };
    let draw = 0;
    const tracing = new Tracing(
      recorder,
      () => 0.01,
      () => draw,
    );
    const enter = (caller: object | undefined): unknown => {
      const gated = { method: { service: "S", name: "m" }, caller, trace: undefined };
      tracing.enter(gated as never);
      return gated.trace;
    };
    expect(enter(undefined)).toBe(span);
    draw = 0.01;
    expect(enter(undefined)).toBeUndefined();
    const caller = { traceId: TRACE, spanId: CLIENT_SPAN };
    expect(enter({ ...caller, isSampled: true })).toBe(span);
    draw = 0;
    expect(enter({ ...caller, isSampled: false })).toBeUndefined();
    expect(begun).toEqual([undefined, { ...caller, isSampled: true }]);
  });

  test("INV-TRACE-5: what a call writes belongs to its span, and only ids of that cross to the engine", async () => {
    const span = { traceId: TRACE, spanId: CLIENT_SPAN, end: () => undefined };
    const recorder = { begin: () => span, beginCall: () => span, close: async () => undefined };
    const steps = [new Tracing(recorder, () => 1)];
    const { client, engine, tenant } = await startHarness({ steps });
    const value = { key: "a:b", value: new Uint8Array([1]), expiresAtMs: 0n };
    const set = transaction([{ operation: { $case: "setEntity", value } }]);
    const writing = { ...tenant, prove: false };
    await call(client, ["write", "write"], { ...writing, transaction: set });
    await call(client, ["write", "batchWrite"], { ...writing, transactions: [set] });
    const filter = { $case: "entityPrefix", value: "a:" };
    const rest = { reason: "", all: false, dryRun: false, pageToken: new Uint8Array(0) };
    await call(client, ["write", "deleteByFilter"], { ...tenant, ...rest, filter });
    const context = { traceId: TRACE, spanId: CLIENT_SPAN };
    expect(engine.requests("write").map(({ trace }) => trace)).toEqual([context, context, context]);
  });
});
