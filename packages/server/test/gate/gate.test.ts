/** The gate: what stands between the wire and the handlers. */
import { GrpcStatus, LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import type { GateStep } from "../../src/gate/gate.js";
import type { GatedCall } from "../../src/gate/gated-call.js";
import { call, errorOf, startHarness } from "../support/harness.js";
import { createTuple, TUPLE, transaction } from "../support/requests.js";

const refuses: GateStep = {
  enter: () => {
    throw new LedgerError("OVERLOADED", "no room");
  },
};
const refusesLater: GateStep = {
  enter: async () => {
    throw new LedgerError("OVERLOADED", "no room");
  },
};

describe("the gate", () => {
  for (const [how, refusal] of Object.entries({ "at once": refuses, later: refusesLater })) {
    test(`INV-GATE-1: a call that a step refuses ${how} reaches neither the steps behind it nor its handler`, async () => {
      const behind: string[] = [];
      const steps = [refusal, { enter: (c: GatedCall) => void behind.push(c.method.path) }];
      const h = await startHarness({ steps });
      const refused = await errorOf(
        call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE }),
      );
      expect(refused.code).toBe(GrpcStatus.RESOURCE_EXHAUSTED);
      expect(behind).toEqual([]);
      expect(h.engine.calls).toEqual([]);
    });
  }

  test("INV-GATE-2: each call is shown to an observer once: answered, refused, failed, malformed", async () => {
    const seen: string[] = [];
    const observer = {
      ended: ({ method, status }: GatedCall, durationMs: number) => {
        expect(durationMs).toBeGreaterThanOrEqual(0);
        seen.push(`${method.name} ${status}`);
      },
    };
    const later: GateStep = { enter: () => Promise.resolve() };
    const h = await startHarness({ steps: [later], observers: [observer] });
    await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE });
    await errorOf(call(h.client, ["read", "check"], { ...h.tenant, organization: 0n }));
    await errorOf(call(h.client, ["read", "check"], { ...h.tenant, tuple: { resource: "" } }));
    expect(seen).toEqual(["check 0", "check 3", "check 3"]);
  });

  test("what a step says of the caller is the actor of what the call writes, and the target is what the request names", async () => {
    const targets: unknown[] = [];
    const step: GateStep = {
      enter: (gated) => {
        gated.principal = { kind: "key", name: "key:ann" };
        targets.push(gated.target.organization, gated.target.vault);
      },
    };
    const h = await startHarness({ steps: [step] });
    const request = { ...h.tenant, transaction: transaction([createTuple()]), prove: false };
    await call(h.client, ["write", "write"], request);
    await call(h.client, ["read", "check"], { ...h.tenant, tuple: TUPLE });
    const written = h.engine.calls.find(({ call: name }) => name === "write")!;
    expect(written.request).toMatchObject({ actor: "key:ann" });
    const { organization, vault } = h.tenant;
    expect(targets).toEqual([organization, vault, organization, vault]);
  });
});
