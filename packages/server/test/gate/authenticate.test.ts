/** Who is let in without a credential while a cluster has no root yet. */
import type { LedgerError } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { type AuthenticateDeps, AuthenticateStep } from "../../src/gate/authenticate.js";
import type { GatedCall } from "../../src/gate/gated-call.js";

interface Asked {
  readonly peer: string;
  readonly name?: string;
  readonly hasRoot?: boolean;
}

/** Whom the call without a credential is taken for, or the words of the refusal. */
async function outcomeOf({ peer, name = "initCluster", hasRoot = false }: Asked): Promise<string> {
  const parts = { isRequired: () => true, hasRoot: () => hasRoot };
  const step = new AuthenticateStep(parts as unknown as AuthenticateDeps);
  const call = {
    method: { path: "", service: "ClusterService", name, isStream: false },
    wire: { metadata: new Metadata(), getPeer: () => peer },
    principal: { kind: "anonymous", name: "anonymous" },
  } as unknown as GatedCall;
  try {
    await step.enter(call);
    return call.principal.name;
  } catch (error) {
    return `${(error as LedgerError).code}: ${(error as LedgerError).message}`;
  }
}

describe("INV-AUTHN-8: without a credential", () => {
  it("a cluster without a root is begun over a loopback address alone", async () => {
    expect(await outcomeOf({ peer: "127.0.0.1:4000" })).toBe("root");
    expect(await outcomeOf({ peer: "127.0.0.1:4000", hasRoot: true })).toMatch(/^UNAUTHENTICATED/);
    expect(await outcomeOf({ peer: "127.0.0.1:4000", name: "addMember" })).toMatch(
      /^UNAUTHENTICATED/,
    );
    expect(await outcomeOf({ peer: "10.0.0.1:4000" })).toMatch(/^UNAUTHENTICATED/);
  });

  // A node that listened on its network address could not be begun by `cluster init`, and the refusal asked for a key that nobody had.
  it("whoever asks from elsewhere is told how to begin one, and not whether there is a root", async () => {
    for (const name of ["initCluster", "getClusterStatus"]) {
      const told = await outcomeOf({ peer: "10.0.0.1:4000", name });
      expect(told).toMatch(/over a loopback address.*0\.0\.0\.0.*--advertise-client.*--expect/);
      expect(await outcomeOf({ peer: "10.0.0.1:4000", name, hasRoot: true })).toBe(told);
    }
    expect(await outcomeOf({ peer: "10.0.0.1:4000", name: "addMember" })).not.toContain("loopback");
  });
});
