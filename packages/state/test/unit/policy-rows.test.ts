/** How a vault's policy moves from epoch to epoch, and what is kept of it. */
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { newestPolicyRow, type Outcome, policyBundle } from "../../src/index.js";
import { Ledger } from "../state-support.js";

const bundleOf = (epoch: number) =>
  ({ kind: "policy_bundle", vault: 1, epoch, bundle: Uint8Array.of(7, epoch) }) as const;

async function ledgerOf(): Promise<Ledger> {
  return Ledger.create(testRandom("policy rows"), 2);
}

function change(ledger: Ledger, epoch: number, vault = 1): Outcome {
  return ledger.apply([ledger.leader.policyChange(vault, epoch)]).outcomes[0]!;
}

function keep(ledger: Ledger, epoch: number): Outcome {
  return ledger.apply([bundleOf(epoch)]).outcomes[0]!;
}

describe("a policy change", () => {
  test("is a block of the vault, and keeps the policy before until its bundle is there", async () => {
    const ledger = await ledgerOf();
    const { state } = ledger;
    const { height } = state.requireVault(1);
    const { configHash } = state.requireVault(1).tip.header;
    expect(newestPolicyRow(state.tables, 1)).toBeUndefined();
    expect(change(ledger, 2)).toMatchObject({ kind: "applied", replayed: false });
    expect(state.requireVault(1).height).toBe(height + 1);
    expect(state.requireVault(1).tip.header.configHash).not.toEqual(configHash);
    expect(newestPolicyRow(state.tables, 1)).toEqual({ epoch: 2, before: Uint8Array.of(1) });
    expect(policyBundle(state.tables, 1, 2)).toBeUndefined();
    expect(keep(ledger, 2)).toEqual({ kind: "policy_kept", vault: 1, epoch: 2 });
    expect(newestPolicyRow(state.tables, 1)).toEqual({ epoch: 2, before: undefined });
    expect(policyBundle(state.tables, 1, 2)).toEqual(Uint8Array.of(7, 2));
    // A bundle is no block, and other vaults are not meant.
    expect(state.requireVault(1).height).toBe(height + 1);
    expect(newestPolicyRow(state.tables, 2)).toBeUndefined();
    expect(newestPolicyRow(state.tables, 0)).toBeUndefined();
  });

  test("follows the one before, whose bundle is there, and changes nothing else (INV-STATE-8)", async () => {
    const ledger = await ledgerOf();
    const { state } = ledger;
    const refused = { kind: "refused", code: "PRECONDITION_FAILED" };
    for (const epoch of [0, 1, 3]) expect(change(ledger, epoch)).toMatchObject(refused);
    expect(keep(ledger, 2)).toMatchObject(refused);
    change(ledger, 2);
    const { height } = state.requireVault(1);
    for (const epoch of [2, 3]) expect(change(ledger, epoch)).toMatchObject(refused);
    keep(ledger, 2);
    // Kept for ever: nobody replaces it.
    expect(keep(ledger, 2)).toMatchObject(refused);
    expect(change(ledger, 2)).toMatchObject(refused);
    expect(state.requireVault(1).height).toBe(height);
    expect(change(ledger, 3)).toMatchObject({ kind: "applied" });
    expect(policyBundle(state.tables, 1, 2)).toEqual(Uint8Array.of(7, 2));
  });

  test("of a vault that is not there is refused", async () => {
    const ledger = await ledgerOf();
    expect(change(ledger, 2, 9)).toMatchObject({ kind: "refused", code: "VAULT_NOT_FOUND" });
    const outcome = ledger.apply([{ ...bundleOf(2), vault: 9 }]).outcomes[0];
    expect(outcome).toMatchObject({ kind: "refused", code: "VAULT_NOT_FOUND" });
  });
});
