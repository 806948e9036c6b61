/**
 * Deletes vaults and organizations: an entry that closes the vault and is answered, then entries that each remove some of
 * its rows, one at a time beside the writes of others, then one that says it is deleted. What a restart interrupts goes
 * on from the rows' statuses.
 */
import type { Timers } from "@authledger/io";
import {
  type EntryItem,
  type GroupState,
  isGone,
  type OrganizationRow,
  type OrganizationStatus,
  type Outcome,
  organizationEntityKey,
  readEntity,
  SYSTEM_VAULT,
  type VaultRow,
  vaultEntityKey,
  withStatus,
} from "@authledger/state";
import { assert, LedgerError, toHex } from "@authledger/types";
import { SWEEP_RETRY_MS, SWEEP_ROWS } from "./limits.js";
import type { EngineReply, EngineRequest, Stated } from "./port.js";
import type { Signer } from "./signer.js";
import { findOrganization, findVault, organizationInfo, vaultInfo } from "./vault-lookup.js";
import { throwIfRefused, type Writes } from "./writes.js";

/** Who removes what is left of a deleted vault. */
const SWEEPER: Stated = { actor: "system:gc" };

export interface DeleterDeps {
  readonly state: GroupState;
  readonly writes: Writes;
  readonly signer: Signer;
  readonly timers: Timers;
  /** Resolves when what is known here is what was acknowledged last. */
  readonly confirm: () => Promise<void>;
  /** A bug of this module. */
  readonly onFatal: (error: LedgerError) => void;
}

/** Figures for metrics. */
export interface DeleterStats {
  /** Vaults whose rows are being removed. */
  readonly vaults: number;
  /** Rows removed since the start. */
  readonly rows: number;
}

export class Deleter {
  readonly #deps: DeleterDeps;
  /** Ids of vaults whose rows are being removed. */
  readonly #vaults = new Set<number>();
  /** Slugs of organizations that wait for their last vaults. */
  readonly #organizations = new Set<bigint>();
  #running: Promise<void> | undefined;
  /** There is more to do than the running round may have seen. */
  #isAsked = false;
  #cancel: () => void = () => undefined;
  #stopped = false;
  #rows = 0;

  constructor(deps: DeleterDeps) {
    this.#deps = deps;
  }

  /** Goes on with what was being deleted; again after a stop. */
  start(): void {
    const { rows } = this.#deps.state;
    this.#stopped = false;
    this.#vaults.clear();
    this.#organizations.clear();
    for (const { id } of rows.deletingVaults()) this.#vaults.add(id);
    for (const { slug } of rows.deletingOrganizations()) this.#organizations.add(slug);
    this.#wake();
  }

  /** Ends; resolves when nothing of it is in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#running;
  }

  stats(): DeleterStats {
    return { vaults: this.#vaults.size, rows: this.#rows };
  }

  async deleteVault(request: EngineRequest<"delete_vault">): Promise<EngineReply<"delete_vault">> {
    const { state, signer } = this.#deps;
    const find = (): VaultRow => findVault(state, request.organization, request.vault);
    const { id, ...row } = find();
    if (!isGone(row)) {
      const outcome = await this.#setVaultStatus(find, "deleting", request);
      // Two who delete at once both get what they asked for.
      if (!isGone(find())) throwIfRefused(outcome);
      signer.forget(id);
      this.#vaults.add(id);
      this.#wake();
    }
    return { vault: vaultInfo(state, find()) };
  }

  async deleteOrganization(
    request: EngineRequest<"delete_organization">,
  ): Promise<EngineReply<"delete_organization">> {
    const { state } = this.#deps;
    const find = (): OrganizationRow => findOrganization(state, request.organization);
    const { status } = find();
    if (status !== "deleted" && status !== "deleting") {
      const outcome = await this.#setOrganizationStatus(find, request);
      if (find().status === status) throwIfRefused(outcome);
      this.#organizations.add(request.organization);
      this.#wake();
    }
    return { organization: organizationInfo(find()) };
  }

  /** Takes an organization out of service, or back; what is so already is no error. */
  async setOrganizationService(
    status: "suspended" | "active",
    { organization, actor, reason }: EngineRequest<"suspend_organization">,
  ): Promise<EngineReply<"suspend_organization">> {
    const { state, confirm } = this.#deps;
    const find = (): OrganizationRow => findOrganization(state, organization);
    if (find().status === status) await confirm();
    if (find().status !== status) {
      const outcome = await this.#deps.writes.proposeItem((timeMs) => {
        const stamp = { actor, timeMs, reason };
        const registration = this.#registration(organizationEntityKey(organization), stamp, status);
        return { kind: "set_status", organization, vault: 0n, registration };
      });
      // Two who ask at once both get what they asked for.
      if (find().status !== status) throwIfRefused(outcome);
    }
    return { organization: organizationInfo(find()) };
  }

  #wake(): void {
    this.#isAsked = this.#running !== undefined;
    if (this.#stopped || this.#isAsked) return;
    this.#cancel();
    this.#running = this.#run()
      .catch((error: unknown) => this.#deps.onFatal(LedgerError.from(error)))
      .finally(() => {
        this.#running = undefined;
        if (this.#isAsked) this.#wake();
      });
  }

  /** Sweeps all vaults in turn, an entry at a time; waits where that cannot go on. */
  async #run(): Promise<void> {
    try {
      await this.#finishOrganizations();
      while (this.#vaults.size > 0 && !this.#stopped) {
        for (const id of [...this.#vaults]) if (!this.#stopped) await this.#sweep(id);
        await this.#deps.timers.yield();
      }
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      // A full disk, overload, the end of the node.
      if (this.#stopped) return;
      this.#cancel = this.#deps.timers.after(SWEEP_RETRY_MS, () => this.#wake());
    }
  }

  async #sweep(vault: number): Promise<void> {
    const { state, writes } = this.#deps;
    const sweep: EntryItem = { kind: "sweep", vault, rows: SWEEP_ROWS };
    const swept = await writes.proposeItem(() => sweep);
    if (swept.kind === "swept") {
      this.#rows += swept.removed;
      if (!swept.isDone) return;
      const find = (): VaultRow => state.rows.vault(vault)!;
      throwIfRefused(await this.#setVaultStatus(find, "deleted", SWEEPER));
    }
    // Refused: it is deleted already.
    this.#vaults.delete(vault);
    await this.#finishOrganizations();
  }

  /** Organizations that were waiting for their last vaults. */
  async #finishOrganizations(): Promise<void> {
    const { rows } = this.#deps.state;
    for (const slug of [...this.#organizations]) {
      const find = (): OrganizationRow => rows.organizationBySlug(slug)!;
      const { id, status } = find();
      if (rows.vaultsLeft(id).deleting > 0) continue;
      if (status === "deleting") {
        throwIfRefused(await this.#setOrganizationStatus(find, SWEEPER));
      }
      this.#organizations.delete(slug);
    }
  }

  #setVaultStatus(
    find: () => VaultRow,
    status: "deleting" | "deleted",
    by: Stated,
  ): Promise<Outcome> {
    return this.#deps.writes.proposeItem((timeMs) => {
      const { id, organizationSlug: organization, slug, lastHeight } = find();
      const open = this.#deps.state.vault(id);
      const more =
        status === "deleting" && open !== undefined
          ? { last_height: open.height, last_block_hash: toHex(open.tip.blockHash) }
          : { last_height: lastHeight ?? 0 };
      const key = vaultEntityKey(organization, slug);
      const registration = this.#registration(key, stampOf(by, timeMs), status, more);
      return { kind: "set_status", organization, vault: slug, registration };
    });
  }

  #setOrganizationStatus(find: () => OrganizationRow, by: Stated): Promise<Outcome> {
    return this.#deps.writes.proposeItem((timeMs) => {
      const { id, slug } = find();
      const { deleting } = this.#deps.state.rows.vaultsLeft(id);
      const status = deleting > 0 ? "deleting" : "deleted";
      const key = organizationEntityKey(slug);
      const registration = this.#registration(key, stampOf(by, timeMs), status);
      return { kind: "set_status", organization: slug, vault: 0n, registration };
    });
  }

  /** The entity as it is, with another status. */
  #registration(
    key: string,
    stamp: Stated & { readonly timeMs: number },
    status: OrganizationStatus,
    more: Parameters<typeof withStatus>[2] = {},
  ): ReturnType<Writes["sealEntity"]> {
    const entity = readEntity(this.#deps.state.requireVault(SYSTEM_VAULT), key, stamp.timeMs);
    assert(entity !== undefined, "the system vault names every vault and organization", { key });
    const value = withStatus(entity.value, status, more);
    return this.#deps.writes.sealEntity({ key, value, version: entity.version }, stamp);
  }
}

/** Of a request only what a transaction says of it. */
function stampOf({ actor, reason = "" }: Stated, timeMs: number): Stated & { timeMs: number } {
  return { actor, reason, timeMs };
}
