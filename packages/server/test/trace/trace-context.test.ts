/** Request ids and the header of W3C Trace Context. */
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { GatedCall } from "../../src/gate/gated-call.js";
import { newRequestId } from "../../src/trace/request-id.js";
import { formatTraceparent, parseTraceparent } from "../../src/trace/traceparent.js";
import { call, errorOf, startHarness } from "../support/harness.js";
import { TUPLE } from "../support/requests.js";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";

describe("request ids", () => {
  test("INV-TRACE-1: a call keeps the client's well-formed request id, gets one where it has none, and its error says which", async () => {
    const seen: string[] = [];
    const observer = { ended: (gated: GatedCall) => void seen.push(gated.requestId) };
    const h = await startHarness({ observers: [observer] });
    const failWith = async (id?: string): Promise<unknown> => {
      const metadata = new Metadata();
      if (id !== undefined) metadata.set("x-request-id", id);
      const request = { ...h.tenant, organization: 0n, tuple: TUPLE };
      const error = await errorOf(call(h.client, ["read", "check"], request, { metadata }));
      return error.metadata.get("x-request-id")[0];
    };
    expect(await failWith("mine-1")).toBe("mine-1");
    const made = [await failWith(), await failWith("x".repeat(129)), await failWith("two words")];
    expect(new Set(made).size).toBe(3);
    expect(seen).toEqual(["mine-1", ...made]);
  });

  test("ids that a node makes are distinct and well-formed", () => {
    const ids = Array.from({ length: 1_000 }, newRequestId);
    expect(new Set(ids).size).toBe(1_000);
    expect(ids.every((id) => /^[!-~]{1,128}$/.test(id))).toBe(true);
  });
});

describe("traceparent", () => {
  const header = `00-${TRACE}-${SPAN}-01`;

  test("what is well-formed is read and written again", () => {
    const parent = { traceId: TRACE, spanId: SPAN, isSampled: true };
    expect(parseTraceparent(header)).toEqual(parent);
    expect(formatTraceparent(parent)).toBe(header);
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-00`)?.isSampled).toBe(false);
    expect(parseTraceparent(`01-${TRACE}-${SPAN}-03-later`)?.isSampled).toBe(true);
  });

  test.each([
    ["nothing", undefined],
    ["another version's end in version 00", `${header}-more`],
    ["version ff", `ff-${TRACE}-${SPAN}-01`],
    ["a trace of zeros", `00-${"0".repeat(32)}-${SPAN}-01`],
    ["a span of zeros", `00-${TRACE}-${"0".repeat(16)}-01`],
    ["upper case", header.toUpperCase()],
    ["something long", `${header}-${"x".repeat(1_000)}`],
  ])("%s is no trace", (_, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});
