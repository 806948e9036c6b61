/**
 * Brings the policies of all vaults to what the voters are, while this node leads: writes the next policy into a vault,
 * collects a head that satisfies the policy before and the next one, and keeps the bundle (docs/adr/0013). The system vault
 * first, so many vaults a second, and from where it stopped.
 *
 *   INV-COSIGN-7  A vault's policy names voters only, and nobody is let go whom a policy that clients may hold still
 *                 names: a policy follows a new voter, and precedes the removal of one.
 *   INV-COSIGN-8  A vault begins no epoch before the bundle of the one before is kept.
 *
 * A target that comes back is a new one: what was written for another meanwhile is looked for in every vault. While a change of
 * the voters lies in the log and is not in force there is no target: what would be written behind it might name whom it removes.
 */
import type { Clock, Timers } from "@authledger/io";
import { encodePolicy, type NoteKey } from "@authledger/proof";
import {
  type EntryItem,
  type GroupState,
  newestPolicyRow,
  type Outcome,
  SYSTEM_VAULT,
} from "@authledger/state";
import { type Hasher, LedgerError, type NodeId, toHex } from "@authledger/types";
import { memberKey } from "../head-keys.js";
import type { Signer } from "../signer.js";
import type { SystemSealer } from "../system-sealer.js";
import { throwIfRefused } from "../writes.js";
import type { MemberInfo } from "./peer-port.js";
import { encodeBundle, policyStateProof } from "./policy-bundles.js";
import type { VaultPolicies } from "./vault-policies.js";
import { isPolicyOf, nextPolicy } from "./voters-policy.js";

/** Vaults whose policy is changed at once, and in one second. */
const VAULTS_AT_ONCE = 32;
const VAULTS_PER_TICK = 512;
/** Vaults looked at in one second. */
const LOOKED_AT_PER_TICK = 8_192;
/** Voters must have been the same for so long, so that a cluster that is being built writes one policy and not five. */
export const POLICY_QUIET_MS = 2_000;
/** A voter that somebody wants to remove, and stops asking for, is named again after so long. */
const RELEASE_FORGET_MS = 60_000;
const RELEASE_RETRY_MS = 250;
/** Who has not asked for so long has given up, and another voter may be removed instead. */
const RELEASE_BUSY_MS = 5_000;
/** Who changes the voters waits so long for the policies. Who removes one is then told to come back. */
const POLICIES_WAIT_MS = 4_000;
const POLICIES_LOOK_MS = 50;
/** Why a head of a single vault is not made: nobody else cosigns it, or it was signed with a time ahead of the clock. */
const UNPROVEN: ReadonlySet<string> = new Set(["COSIGNATURES_MISSING", "CLOCK_SKEW"]);

export interface PolicyKeeperDeps {
  readonly state: GroupState;
  readonly signer: Signer;
  readonly policies: VaultPolicies;
  readonly sealer: SystemSealer;
  readonly hasher: Hasher;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Who votes; undefined while this node does not lead, or a change is half done or lies in the log. */
  readonly voters: () => readonly MemberInfo[] | undefined;
  /** Proposes an item and waits until it is applied. */
  readonly propose: (make: (timeMs: number) => EntryItem) => Promise<Outcome>;
  /** Resolves when everything proposed so far has been applied. */
  readonly barrier: () => Promise<void>;
  /** @throws LedgerError when the vault must not be written, whatever its status */
  readonly checkWritable: (vault: number) => void;
  /** A bug of this module. */
  readonly onFatal: (error: LedgerError) => void;
}

/** Whose cosignatures policies should name. */
interface Target {
  readonly name: string;
  readonly keys: readonly NoteKey[];
}

export class PolicyKeeper {
  readonly #deps: PolicyKeeperDeps;
  /** The target as it was last looked at, since when, and from which vault on. */
  #target: Target | undefined;
  #sinceMs = 0;
  #next = 0;
  #unsettled = 0;
  /** Every vault has come to the target. */
  #isSettled = false;
  /** Whom the policies named before the change of the voters that is under way. */
  #named: readonly MemberInfo[] = [];
  #leaving: { readonly node: NodeId; readonly askedMs: number } | undefined;
  /** Calls that wait until the policies follow the voters. */
  #followers = 0;
  /** Why a vault could not be proven to clients of its old policy, since all were last settled. */
  #obstacle: LedgerError | undefined;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(deps: PolicyKeeperDeps) {
    this.#deps = deps;
  }

  /** Whose keys the policy of a vault that is created now names. */
  get cosigners(): readonly MemberInfo[] {
    // A vault that gets this policy belongs to this target, however short a time it stands.
    this.#look();
    return this.#cosigners();
  }

  /** Does every vault's policy name the voters, and is every bundle kept? */
  get isSettled(): boolean {
    this.#look();
    return this.#isSettled;
  }

  /**
   * Asks for policies that do without a voter, which is about to be removed. Returns once no vault needs it any more.
   * One voter at a time, so that two calls do not undo each other's work.
   * @throws LedgerError POLICIES_PENDING until then: ask again
   */
  requireReleased(node: NodeId): void {
    const voters = this.#deps.voters();
    if (voters !== undefined && !voters.some(({ nodeId }) => nodeId === node)) return;
    this.#look();
    const askedMs = this.#deps.clock.monotonicMs();
    const { node: other = node, askedMs: lastMs = 0 } = this.#leaving ?? {};
    if (other !== node && askedMs < lastMs + RELEASE_BUSY_MS) throw busyReleasing(node, other);
    this.#leaving = { node, askedMs };
    this.tick();
    if (this.#isSettled) return;
    throw pending(node, this.#unsettled, this.#obstacle);
  }

  /** The same, after waiting for a while. @throws LedgerError POLICIES_PENDING */
  async release(node: NodeId): Promise<void> {
    const { clock, timers } = this.#deps;
    const untilMs = clock.monotonicMs() + POLICIES_WAIT_MS;
    for (;;) {
      try {
        this.requireReleased(node);
        return;
      } catch (error) {
        if (clock.monotonicMs() >= untilMs) throw error;
      }
      await new Promise<void>((resolve) => timers.after(POLICIES_LOOK_MS, resolve));
    }
  }

  /**
   * Brings the policies to a new voter at once. Until they name it, vaults bear the losses that the voters of before could
   * bear, whatever the group bears. Returns when that is done, or after a while: then it goes on by itself.
   */
  async follow(): Promise<void> {
    const { clock, timers } = this.#deps;
    const untilMs = clock.monotonicMs() + POLICIES_WAIT_MS;
    this.#followers++;
    while (!this.#stopped && !this.isSettled) {
      if (clock.monotonicMs() >= untilMs) break;
      this.tick();
      await new Promise<void>((resolve) => timers.after(POLICIES_LOOK_MS, resolve));
    }
    this.#followers--;
  }

  /** What another leader has done meanwhile is not known: all vaults are looked at again. */
  start(): void {
    this.#stopped = false;
    this.#target = undefined;
    this.#named = [];
    this.#isSettled = false;
    this.#obstacle = undefined;
    // A change of the members may be under way before the first tick: vaults that are created meanwhile name those of now.
    this.#look();
  }

  /** Called once a second. */
  tick(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    this.#look();
    const target = this.#target;
    const isUrgent = this.#leaving !== undefined || this.#followers > 0;
    const isQuiet = isUrgent || nowMs >= this.#sinceMs + POLICY_QUIET_MS;
    if (this.#stopped || this.#running !== undefined || target === undefined || !isQuiet) return;
    if (this.#isSettled) return;
    this.#running = this.#run(target)
      .catch((error: unknown) => this.#deps.onFatal(LedgerError.from(error)))
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Ends; resolves when nothing of it is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  #cosigners(): readonly MemberInfo[] {
    const voters = this.#deps.voters();
    if (voters === undefined) return this.#named;
    return voters.filter(({ nodeId }) => nodeId !== this.#leaving?.node);
  }

  /** Notes what the target is now. What was done for another one says nothing of it, nor does what was done before it. */
  #look(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const leaving = this.#leaving;
    const isForgotten = leaving !== undefined && nowMs >= leaving.askedMs + RELEASE_FORGET_MS;
    const voters = this.#deps.voters();
    const isGone = voters?.some(({ nodeId }) => nodeId === leaving?.node) === false;
    if (isForgotten || isGone) this.#leaving = undefined;
    this.#named = this.#cosigners();
    const wanted = this.#targetNow();
    if (wanted?.name === this.#target?.name) return;
    this.#target = wanted;
    this.#sinceMs = nowMs;
    this.#next = 0;
    this.#isSettled = false;
  }

  /** Is the target that is worked on still the one? */
  #isWanted(target: Target): boolean {
    this.#look();
    return !this.#stopped && this.#target === target;
  }

  #targetNow(): Target | undefined {
    if (this.#deps.voters() === undefined) return undefined;
    const members = [...this.#cosigners()].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
    if (members.length === 0) return undefined;
    const keys = members.map((member) => memberKey(this.#deps.hasher, member));
    return { name: keys.map(({ publicKey }) => toHex(publicKey)).join(), keys };
  }

  /** One second's work, or less where something stands in the way: the next tick goes on. */
  async #run(target: Target): Promise<void> {
    const { state } = this.#deps;
    try {
      // Vaults that were proposed with the policy of before are there when the round begins.
      if (this.#next === 0) {
        this.#unsettled = 0;
        await this.#deps.barrier();
        if (!this.#isWanted(target)) return;
      }
      let changed = 0;
      for (let looked = 0; looked < LOOKED_AT_PER_TICK && changed < VAULTS_PER_TICK; ) {
        const ids: number[] = [];
        for (; ids.length < VAULTS_AT_ONCE && looked < LOOKED_AT_PER_TICK; looked++) {
          if (this.#next >= state.rows.vaultCount) break;
          const id = this.#next++;
          if (!this.#isDone(id, target)) ids.push(id);
        }
        changed += ids.length;
        await this.#settleAll(ids, target);
        if (!this.#isWanted(target)) return;
        if (this.#next >= state.rows.vaultCount) break;
      }
      if (this.#next < state.rows.vaultCount) return;
      if (this.#unsettled === 0) {
        this.#isSettled = true;
        this.#obstacle = undefined;
      }
      this.#next = 0;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      // No leader any more, no quorum, overload, a full disk: from the start, at the next tick.
      this.#next = 0;
    }
  }

  /** The system vault says who the others are: it goes first, and alone. All have ended when this throws. */
  async #settleAll(ids: readonly number[], target: Target): Promise<void> {
    const isSystem = ids[0] === SYSTEM_VAULT;
    if (isSystem) await this.#settle(SYSTEM_VAULT, target);
    const others = isSystem ? ids.slice(1) : ids;
    const ended = await Promise.allSettled(others.map((id) => this.#settle(id, target)));
    const failed = ended.find((end) => end.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #isDone(id: number, { keys }: Target): boolean {
    const { state, policies } = this.#deps;
    const vault = state.vault(id);
    if (vault === undefined) return true;
    const needed = policies.needed(vault);
    return needed.length === 1 && isPolicyOf(needed[0]!, keys);
  }

  /** A vault that cannot be proven under its old policy stays unsettled, and holds up no other. */
  async #settle(id: number, target: Target): Promise<void> {
    this.#unsettled++;
    try {
      await this.#bring(id, target);
    } catch (error) {
      if (!(error instanceof LedgerError) || !UNPROVEN.has(error.code)) throw error;
      this.#obstacle = error;
    }
    if (this.#isDone(id, target)) this.#unsettled--;
  }

  /** Brings one vault to the target, through the bundle that it still misses. */
  async #bring(id: number, target: Target): Promise<void> {
    const { state, checkWritable } = this.#deps;
    while (this.#isWanted(target) && !this.#isDone(id, target)) {
      try {
        checkWritable(id);
      } catch {
        return; // It stays unsettled: its rows are not what they should be, which an alarm has told.
      }
      const row = newestPolicyRow(state.tables, id);
      if (row?.before === undefined) await this.#change(id, target);
      else await this.#keepBundle(id, row.epoch);
    }
  }

  async #change(id: number, { keys }: Target): Promise<void> {
    const { state, policies, sealer, propose } = this.#deps;
    const outcome = await propose((timeMs) => {
      const vault = state.requireVault(id);
      const { stored, policy } = policies.newest(vault);
      const next = nextPolicy(policy, keys, vault.size + 1);
      const transaction = sealer.policy(encodePolicy(next), timeMs);
      return { kind: "policy_change", vault: id, epoch: next.epoch, before: stored, transaction };
    });
    throwIfRefused(outcome);
  }

  /** A head of the size that the state proof is of; where the vault has moved meanwhile, the next try has another. */
  async #keepBundle(id: number, epoch: number): Promise<void> {
    const { state, policies, signer, propose } = this.#deps;
    const vault = state.requireVault(id);
    const { stored: policyValue } = policies.newest(vault);
    const head = signer.request(vault);
    const { bytes: header } = vault.tip;
    const stateProof = policyStateProof(vault);
    const { size, note: checkpoint } = await head.signed;
    if (size !== head.size) return;
    const bundle = encodeBundle({ policyValue, header, stateProof, checkpoint });
    throwIfRefused(await propose(() => ({ kind: "policy_bundle", vault: id, epoch, bundle })));
  }
}

function pending(node: NodeId, vaults: number, obstacle: LedgerError | undefined): LedgerError {
  const which = vaults === 0 ? "vaults" : `${vaults} vaults or more`;
  const why = obstacle === undefined ? "" : ` (${obstacle.message})`;
  const message = `the policies of ${which} still name node ${node}; they are being moved on without it${why}`;
  return new LedgerError("POLICIES_PENDING", message, {
    details: { node: String(node), vaults },
    retryAfterMs: RELEASE_RETRY_MS,
  });
}

function busyReleasing(node: NodeId, other: NodeId): LedgerError {
  const message = `the policies are being moved on without node ${other}, which is to be removed first: node ${node} stays until then`;
  return new LedgerError("POLICIES_PENDING", message, {
    details: { node: String(other), vaults: 0 },
    retryAfterMs: RELEASE_RETRY_MS,
  });
}
