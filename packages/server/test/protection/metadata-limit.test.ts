/** Metadata that is too large, over a real connection. */
import { connect as connectHttp2 } from "node:http2";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { METADATA_BYTES_MAX } from "../../src/protection/metadata-limit.js";
import { call, errorOf, type Harness, startHarness } from "../support/harness.js";
import { TUPLE } from "../support/requests.js";

function check({ client, tenant }: Harness, metadata = new Metadata()): Promise<unknown> {
  return call(client, ["read", "check"], { ...tenant, tuple: TUPLE }, { metadata });
}

function metadataOf(fields: number, bytes: number): Metadata {
  const metadata = new Metadata();
  for (let i = 0; i < fields; i++) metadata.set(`x-${i}`, "x".repeat(bytes));
  return metadata;
}

describe("INV-OVER-5: metadata of a call", () => {
  test("beyond 16 KiB is refused with RESOURCE_EXHAUSTED, in one field or in many, and its connection goes on", async () => {
    const h = await startHarness();
    // The limit holds from the client's acknowledgement on, which comes with its first call.
    await check(h);
    const running = Array.from({ length: 20 }, () => check(h));
    for (const [fields, bytes] of [
      [1, METADATA_BYTES_MAX],
      [1, 60_000],
      [100, 150],
      [127, 1_000],
      // More fields than there may be.
      [1_000, 1],
    ] as const) {
      const error = await errorOf(check(h, metadataOf(fields, bytes)));
      expect([fields, bytes, error.code]).toEqual([fields, bytes, 8]);
    }
    await check(h, metadataOf(1, 15_000));
    await check(h, metadataOf(100, 100));
    await Promise.all(running);
    expect(h.bugs).toEqual([]);
    expect(h.connections.count).toBe(1);
    expect(h.engine.calls.filter(({ call: name }) => name === "check")).toHaveLength(23);
  });

  test("of a megabyte ends that connection, and no other", async () => {
    const h = await startHarness();
    await check(h);
    const hostile = connectHttp2(`http://${h.address}`, { maxSendHeaderBlockLength: 4_000_000 });
    onTestFinished(() => hostile.destroy());
    const ended = new Promise((resolve) => hostile.once("close", resolve));
    hostile.on("error", () => undefined);
    const about = { ":method": "POST", ":path": "/authledger.v1.ReadService/Check" };
    const asked = hostile.request({ ...about, "x-large": "x".repeat(1_000_000) });
    asked.on("error", () => undefined);
    asked.end();
    await ended;
    await check(h);
    expect(h.bugs).toEqual([]);
  });
});
