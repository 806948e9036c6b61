/**
 * The policies that clients of a vault may hold, as the vault's own records say: the newest one, and the one before it for
 * as long as no bundle leads from there to here. Served heads satisfy all of them, as both halves of a joint
 * configuration agree to everything.
 */
import { decodePolicy, ledgerRecordKey, NONCE_BYTES, type Policy } from "@authledger/proof";
import { type GroupState, newestPolicyRow, type OpenVault } from "@authledger/state";
import { assert, equalBytes, type Hasher } from "@authledger/types";
import { CHECKPOINTS_KEPT_MAX } from "../limits.js";

/** A policy as it is stored, and what it says. */
export interface StoredPolicy {
  /** nonce16 || text */
  readonly stored: Uint8Array;
  readonly policy: Policy;
}

export class VaultPolicies {
  readonly #state: Pick<GroupState, "tables">;
  readonly #hasher: Hasher;
  /** Of vaults whose policy has settled, with the configuration it is of. */
  readonly #settled = new Map<
    number,
    { readonly configHash: Uint8Array; readonly policy: Policy }
  >();

  constructor(state: Pick<GroupState, "tables">, hasher: Hasher) {
    this.#state = state;
    this.#hasher = hasher;
  }

  /** The newest policy. */
  newest(vault: OpenVault): StoredPolicy {
    const path = vault.paths.path(ledgerRecordKey("ledger", "policy"));
    const stored = this.#state.tables.value.get(vault.rowKey(path));
    assert(stored !== undefined, "a vault has a policy", { vault: vault.id });
    return this.#decoded(stored.slice());
  }

  /** The policy before the newest, while clients may hold it. */
  before(vault: OpenVault): StoredPolicy | undefined {
    const before = newestPolicyRow(this.#state.tables, vault.id)?.before;
    return before && this.#decoded(before);
  }

  /** What a head of the vault must satisfy, the newest policy last. */
  needed(vault: OpenVault): readonly Policy[] {
    const { configHash } = vault.tip.header;
    const known = this.#settled.get(vault.id);
    if (known !== undefined && equalBytes(known.configHash, configHash)) return [known.policy];
    const { policy } = this.newest(vault);
    const before = this.before(vault);
    if (before !== undefined) return [before.policy, policy];
    if (this.#settled.size >= CHECKPOINTS_KEPT_MAX) this.#settled.clear();
    this.#settled.set(vault.id, { configHash, policy });
    return [policy];
  }

  #decoded(stored: Uint8Array): StoredPolicy {
    return { stored, policy: decodePolicy(this.#hasher, stored.subarray(NONCE_BYTES)) };
  }
}
