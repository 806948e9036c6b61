/** What a node says of who calls is believed only where a node of the cluster said it, of this call, now. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { ForwardedIdentity } from "../../src/authn/forwarded-identity.js";

const KEY = new Uint8Array(32).fill(7);
const CALL = { path: "/authledger.v1.WriteService/Write", request: Buffer.from([1, 2, 3]) };
const ALICE = { kind: "token", name: "user:alice \u00e9" } as const;

function at(nowMs: number, key: Uint8Array | undefined = KEY): ForwardedIdentity {
  return new ForwardedIdentity(
    () => key,
    () => nowMs,
  );
}

describe("a forwarded identity", () => {
  it("INV-AUTHN-7: holds for its method and request, for 30 s, with the cluster's key", () => {
    const text = at(100_000).sign(ALICE, CALL)!;
    expect(text).toMatch(/^[A-Za-z0-9_.-]+$/);
    for (const nowMs of [100_000, 129_999, 70_001]) {
      expect(at(nowMs).verify(text, CALL)).toEqual(ALICE);
    }
    const path = "/authledger.v1.AdminService/DeleteVault";
    for (const [nowMs, aheadMs] of [
      [130_001, -30_001],
      [69_999, 30_001],
    ] as const) {
      const late = thrownBy(() => at(nowMs).verify(text, CALL));
      expect(late).toMatchObject({ code: "CLOCK_SKEW", details: { aheadMs }, retryAfterMs: 1_000 });
    }
    const attempts = [
      () => at(100_000).verify(text, { ...CALL, path }),
      () => at(100_000).verify(text, { ...CALL, request: Buffer.from([1, 2, 4]) }),
      () => at(100_000, new Uint8Array(32).fill(8)).verify(text, CALL),
    ];
    for (const attempt of attempts) expect(thrownBy(attempt).code).toBe("UNAUTHENTICATED");
  });

  // A follower's clock jumped: every client of it was told that its credential is wrong, also where nobody needs one, and gave up.
  it("INV-AUTHN-7: names the clocks only where the cluster's key was used, and as what another node is asked for", () => {
    const text = at(100_000).sign(ALICE, CALL)!;
    const late = thrownBy(() => at(200_000).verify(text, CALL));
    expect(late.row).toMatchObject({ grpc: "UNAVAILABLE", retry: "safe" });
    expect(late.message).toMatch(/100000 ms behind/);
    const [about] = text.split(".") as [string];
    for (const forged of [`${about}.AAAA`, `${about}.${"A".repeat(43)}`]) {
      expect(thrownBy(() => at(200_000).verify(forged, CALL)).code).toBe("UNAUTHENTICATED");
    }
  });

  it("cannot be made up, changed or put together by a client", () => {
    const text = at(0).sign(ALICE, CALL)!;
    const [, mac] = text.split(".") as [string, string];
    const root = Buffer.from(JSON.stringify({ kind: "root", name: "root", at_ms: 0 }));
    const forged = [
      ...["", ".", "a.b", `${root.toString("base64url")}.`, "x".repeat(5_000), `${text}.${mac}`],
      `${root.toString("base64url")}.${mac}`,
      text.slice(0, -1),
    ];
    for (const attempt of forged) {
      expect(thrownBy(() => at(0).verify(attempt, CALL)).code).toBe("UNAUTHENTICATED");
    }
  });

  it("is made for nobody, too: that a node passed the call on is worth to be known", () => {
    const nobody = { kind: "anonymous", name: "anonymous" } as const;
    expect(at(0).verify(at(0).sign(nobody, CALL)!, CALL)).toEqual(nobody);
  });

  it("is not made without the key, and not believed without it", () => {
    const keyless = new ForwardedIdentity(() => undefined);
    expect(keyless.sign(ALICE, CALL)).toBeUndefined();
    const text = at(0).sign(ALICE, CALL)!;
    expect(thrownBy(() => keyless.verify(text, CALL)).code).toBe("UNAUTHENTICATED");
  });
});
