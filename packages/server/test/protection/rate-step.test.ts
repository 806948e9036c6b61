/** Limits of the node, of clients and of organizations, over the wire. */
import { GrpcStatus } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { parseRuntimeInput, RuntimeConfig } from "../../src/config/runtime-config.js";
import type { GatedCall } from "../../src/gate/gated-call.js";
import { Protection } from "../../src/protection/protection.js";
import type { ProtectionSettings } from "../../src/protection/protection-config.js";
import { call, failureOf, type Harness, startHarness } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";

interface Limited {
  readonly h: Harness;
  readonly protection: Protection;
  readonly config: RuntimeConfig;
  check(): Promise<unknown>;
  batch(tuples: number): Promise<unknown>;
  write(operations: number): Promise<unknown>;
}

async function limited(
  settings: Partial<ProtectionSettings>,
  name?: () => string,
): Promise<Limited> {
  const config = new RuntimeConfig(parseRuntimeInput({ ...settings }));
  const protection = new Protection(() => config.values, {
    streamsPerConnection: 64,
    connectionsMax: 64,
  });
  const named = {
    enter: (c: GatedCall) => {
      if (name !== undefined) c.principal = { kind: "key", name: name() };
    },
  };
  const steps = [named, ...protection.steps, protection.organization];
  const h = await startHarness({ steps });
  const ask = (method: readonly ["read" | "write", string], rest: object) =>
    call(h.client, method, { ...h.tenant, ...rest });
  return {
    ...{ h, protection, config },
    check: () => ask(["read", "check"], { tuple: TUPLE }),
    batch: (n) => ask(["read", "batchCheck"], { tuples: Array.from({ length: n }, () => TUPLE) }),
    write: (n) =>
      ask(["write", "write"], {
        transaction: transaction(Array.from({ length: n }, () => createTuple())),
      }),
  };
}

describe("limits", () => {
  test("a client over its limit is refused with RATE_LIMITED, the tier and when to come again", async () => {
    const { check, h, protection } = await limited({ rateClientReads: 1, rateBurst: 2_000 });
    await check();
    await check();
    const refused = await failureOf(check());
    expect(refused.status).toBe(GrpcStatus.RESOURCE_EXHAUSTED);
    expect(refused.details).toMatchObject({
      code: "RATE_LIMITED",
      retryable: true,
      context: { tier: "client", kind: "read", limit: "1", units: "1" },
    });
    expect(Number(refused.details.retryAfterMs)).toBeGreaterThan(500);
    expect(Number(refused.details.retryAfterMs)).toBeLessThanOrEqual(1_000);
    expect(h.engine.calls.filter(({ call: made }) => made === "check")).toHaveLength(2);
    expect(protection.refusals.of("rate_client")).toBe(1);
  });

  test("a batch costs as much as what is in it", async () => {
    const { batch } = await limited({ rateClientReads: 10, rateBurst: 1_000 });
    await batch(6);
    expect((await failureOf(batch(6))).details.context["units"]).toBe("6");
  });

  test("reads and writes are limited apart", async () => {
    const { write, check } = await limited({ rateNodeWrites: 1, rateBurst: 1_000 });
    await write(1);
    expect((await failureOf(write(1))).details.context["tier"]).toBe("node");
    await check();
  });

  test("each principal has a bucket of its own", async () => {
    let name = "key:a";
    const { check } = await limited({ rateClientReads: 1, rateBurst: 1_000 }, () => name);
    await check();
    expect((await failureOf(check())).details.code).toBe("RATE_LIMITED");
    name = "key:b";
    await check();
  });

  test("all clients of an organization share its limit", async () => {
    let client = 0;
    const { check } = await limited(
      { rateOrganizationReads: 3, rateBurst: 1_000 },
      () => `key:${client++}`,
    );
    for (let i = 0; i < 3; i++) await check();
    expect((await failureOf(check())).details.context["tier"]).toBe("organization");
  });

  test("INV-RATE-4: what the node refuses is not charged to its client", async () => {
    const { check, config } = await limited({
      ...{ rateNodeReads: 2, rateClientReads: 2, rateBurst: 1_000 },
    });
    await check();
    await check();
    // The client's bucket says so first: it is the one that the caller can do something about.
    expect((await failureOf(check())).details.context["tier"]).toBe("client");
    config.setOwn(parseRuntimeInput({ rateNodeReads: 0.001, rateClientReads: 4 }));
    expect((await failureOf(check())).details.context["tier"]).toBe("node");
    config.setOwn(parseRuntimeInput({ rateClientReads: 4 }));
    await check();
  });

  test("administration is not held by the node's limit", async () => {
    const { h } = await limited({ rateNodeReads: 0.001, rateNodeWrites: 0.001 });
    for (let i = 0; i < 5; i++) await call(h.client, ["admin", "getNodeInfo"], {});
  });

  test("a limit that is changed while the node runs holds from the next call on", async () => {
    const { check, config } = await limited({});
    for (let i = 0; i < 20; i++) await check();
    config.setOwn(parseRuntimeInput({ rateClientReads: 1, rateBurst: 1_000 }));
    await check();
    expect((await failureOf(check())).details.code).toBe("RATE_LIMITED");
  });
});
