/** Which calls are traced. */
import { describe, expect, test } from "vitest";
import { Tracing } from "../../src/trace/tracing.js";

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
});
