/** Organizations, vaults and the node. Creating one is not repeatable: it is sent again only if it never left. */
import { admin } from "@authledger/proto";
import { type CallOptions, type Slug, slugOf, type Tenant, vaultNameOf } from "../options.js";
import type { Session } from "../session.js";
import { AdminList, type AdminListOptions } from "./admin-list.js";
import { malformed, plain } from "./convert.js";

const SERVICE = admin.AdminServiceService;
/** The node flushes before the first bytes come. */
const SNAPSHOT_SILENCE_MS = 60_000;

export type OrganizationStatus = "active" | "migrating" | "suspended" | "deleting" | "deleted";
export type VaultStatus = "active" | "read_only" | "deleting" | "deleted";

export interface Organization {
  readonly slug: bigint;
  /** Not unique; the slug is. */
  readonly name: string;
  readonly status: OrganizationStatus | "unknown";
  readonly createdAtMs: bigint;
}

export interface Vault {
  readonly organization: bigint;
  readonly slug: bigint;
  readonly name: string;
  readonly status: VaultStatus | "unknown";
  readonly createdAtMs: bigint;
  /** First line of its checkpoints. */
  readonly origin: string;
  /** Newest block; of a deleted vault the last one that it had. */
  readonly height: bigint;
  /** How many of the newest blocks are kept whole; 0 = all. */
  readonly retentionBlocks: bigint;
  /** The oldest block that can be read: its transactions, and the state as of it. */
  readonly oldestHeight: bigint;
}

/** What is left out stays as it is. */
export interface VaultChanges {
  readonly name?: string | undefined;
  /**
   * How many of the newest blocks are kept whole; 0 = all. Of older ones the header stays and all that proves it; their
   * transactions and states go for ever, also when this is raised later.
   */
  readonly retentionBlocks?: bigint | undefined;
}

export interface CreatedVault extends Vault {
  /** The header of block 0. */
  readonly genesisHeader: Uint8Array;
}

export interface VaultWithHealth extends Vault {
  /** Whether what is stored is what is committed; a diverged vault takes no writes. */
  readonly health: "healthy" | "diverged" | "unknown";
}

export type CompactionReport = admin.CompactResponse;
export type IntegrityReport = admin.CheckIntegrityResponse;

export type NodeInfo = admin.GetNodeInfoResponse;

/** What an organization or a vault holds; bytes are those of keys and values of rows. */
export type Usage = admin.Usage;
/** A field of the runtime configuration, and who said what it is: node, cluster or default. */
export type ConfigField = admin.ConfigField;
export type ConfigChange = admin.ConfigChange;
/** Organization, vault and resource or entity key, and how often a second. */
export type HotKey = admin.HotKey;

export interface AdminOptions extends CallOptions {
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

export class AdminClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async createOrganization(name: string, options?: AdminOptions): Promise<Organization> {
    const response = await this.#session.call(
      SERVICE.createOrganization,
      { name, reason: reasonOf(options) },
      options,
      "once",
    );
    return organizationOf(response.organization);
  }

  async getOrganization(organization: Slug, options?: CallOptions): Promise<Organization> {
    const request = { organization: slugOf(organization, "organization") };
    const response = await this.#session.call(SERVICE.getOrganization, request, options);
    return organizationOf(response.organization);
  }

  /**
   * Deletes an organization for ever; one that is deleted already is no error.
   * @throws LedgerError ORGANIZATION_NOT_EMPTY while it has vaults
   */
  async deleteOrganization(organization: Slug, options?: AdminOptions): Promise<Organization> {
    const reason = reasonOf(options);
    const request = { organization: slugOf(organization, "organization"), reason };
    const response = await this.#session.call(SERVICE.deleteOrganization, request, options);
    return organizationOf(response.organization);
  }

  /**
   * Takes an organization out of service: its vaults are neither read nor written until it is resumed. Nothing of it is
   * lost; one that is suspended already is no error.
   */
  suspendOrganization(organization: Slug, options: AdminOptions = {}): Promise<Organization> {
    return this.#setService(SERVICE.suspendOrganization, organization, options);
  }

  /** Takes a suspended organization back into service; one that is active is no error. */
  resumeOrganization(organization: Slug, options: AdminOptions = {}): Promise<Organization> {
    return this.#setService(SERVICE.resumeOrganization, organization, options);
  }

  async #setService(
    method: typeof SERVICE.suspendOrganization | typeof SERVICE.resumeOrganization,
    organization: Slug,
    options: AdminOptions,
  ): Promise<Organization> {
    const { reason = "" } = options;
    const request = { organization: slugOf(organization, "organization"), reason };
    return organizationOf((await this.#session.call(method, request, options)).organization);
  }

  /** What an organization holds, or one vault of it. Costs the node one row. */
  async getUsage(
    of: { readonly organization: Slug; readonly vault?: Slug | undefined },
    options?: CallOptions,
  ): Promise<Usage> {
    const organization = slugOf(of.organization, "organization");
    const vault = of.vault === undefined ? 0n : slugOf(of.vault, "vault");
    const { usage } = await this.#session.call(SERVICE.getUsage, { organization, vault }, options);
    if (usage === undefined) throw malformed("no usage");
    return usage;
  }

  /** What of the configuration may change while nodes run, as the node that answers goes by it. */
  async getConfig(options?: CallOptions): Promise<readonly ConfigField[]> {
    return (await this.#session.call(SERVICE.getConfig, {}, options)).fields;
  }

  /**
   * Changes configuration of the whole cluster, all of it or nothing; an empty text takes the cluster's value away.
   * @throws LedgerError CONFIG_INVALID, CONFIG_NOT_RECONFIGURABLE
   * @example await client.admin.updateConfig({ logLevel: "debug" }, { reason: "looking for slow reads" });
   */
  async updateConfig(
    values: Readonly<Record<string, string>>,
    options: AdminOptions & { readonly dryRun?: boolean | undefined } = {},
  ): Promise<readonly ConfigChange[]> {
    const { dryRun = false, reason = "" } = options;
    const request = { values: { ...values }, dryRun, reason };
    return (await this.#session.call(SERVICE.updateConfig, request, options)).changes;
  }

  /** Keys that the node is asked for very often now, most first; 10 at most. For administrators of the cluster. */
  async getHotKeys(options?: CallOptions): Promise<readonly HotKey[]> {
    return (await this.#session.call(SERVICE.getHotKeys, {}, options)).keys;
  }

  /** All that are not deleted, in the order of their slugs. */
  listOrganizations(options: AdminListOptions = {}): AdminList<Organization> {
    return new AdminList(options, async (page) => {
      const response = await this.#session.call(SERVICE.listOrganizations, page, options);
      return { rows: response.organizations.map(organizationOf), next: response.nextPageToken };
    });
  }

  async createVault(
    vault: { readonly organization: Slug; readonly name: string },
    options?: AdminOptions,
  ): Promise<CreatedVault> {
    const organization = slugOf(vault.organization, "organization");
    const request = { organization, name: vault.name, reason: reasonOf(options) };
    const response = await this.#session.call(SERVICE.createVault, request, options, "once");
    return { ...vaultOf(response.vault), genesisHeader: plain(response.genesisHeader) };
  }

  async getVault(tenant: Tenant, options?: CallOptions): Promise<VaultWithHealth> {
    const response = await this.#session.call(SERVICE.getVault, vaultNameOf(tenant), options);
    return { ...vaultOf(response.vault), health: VAULT_HEALTH[response.health] ?? "unknown" };
  }

  /** @example await client.admin.updateVault(tenant, { retentionBlocks: 10_000n }); */
  async updateVault(tenant: Tenant, changes: VaultChanges, options?: AdminOptions): Promise<Vault> {
    const { name, retentionBlocks } = changes;
    const request = { ...vaultNameOf(tenant), name, retentionBlocks, reason: reasonOf(options) };
    return vaultOf((await this.#session.call(SERVICE.updateVault, request, options)).vault);
  }

  /**
   * Deletes a vault and everything in it for ever; one that is deleted already is no error. Reads and writes of it are
   * refused with VAULT_DELETED from the answer on; its rows go in the background, until its status is "deleted".
   */
  async deleteVault(tenant: Tenant, options?: AdminOptions): Promise<Vault> {
    const request = { ...vaultNameOf(tenant), reason: reasonOf(options) };
    const response = await this.#session.call(SERVICE.deleteVault, request, options);
    return vaultOf(response.vault);
  }

  /** All vaults of an organization that are not deleted, in the order of their slugs. */
  listVaults(organization: Slug, options: AdminListOptions = {}): AdminList<Vault> {
    return new AdminList(options, async (page) => {
      const request = { organization: slugOf(organization, "organization"), ...page };
      const response = await this.#session.call(SERVICE.listVaults, request, options);
      return { rows: response.vaults.map(vaultOf), next: response.nextPageToken };
    });
  }

  /** What a client must hold to verify answers of the vault, as text: take it over a channel that you trust. */
  async getTrustAnchor(tenant: Tenant, options?: CallOptions): Promise<string> {
    const request = vaultNameOf(tenant);
    return (await this.#session.call(SERVICE.getTrustAnchor, request, options)).anchor;
  }

  /**
   * Everything that the node holds as of now, but its signing keys, as the bytes of a snapshot (docs/format/snapshot.md); complete
   * when it ends without an error. The node makes no more than is taken.
   * @throws LedgerError PIN_LIMIT while others run, EXPORT_ENDED; it is not resumed: begin again
   */
  async *exportSnapshot(options: CallOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { signal, requestId } = options;
    const about = { signal, requestId, silenceMs: SNAPSHOT_SILENCE_MS };
    for await (const { chunk } of this.#session.stream(SERVICE.exportSnapshot, {}, about)) {
      yield plain(chunk);
    }
  }

  getNodeInfo(options?: CallOptions): Promise<NodeInfo> {
    return this.#session.call(SERVICE.getNodeInfo, {}, options);
  }

  /**
   * Makes the file of the node's store smaller; everything else goes on. Resolves when it has ended, so give it a long
   * deadline; one that passes leaves the compaction running.
   * @param options.fillPercent leaves that are filled less are joined, 1 to 50. Default 40.
   */
  compact(
    options: CallOptions & { readonly fillPercent?: number | undefined } = {},
  ): Promise<CompactionReport> {
    const request = { fillPercent: options.fillPercent ?? 0 };
    return this.#session.call(SERVICE.compact, request, options);
  }

  /**
   * Recomputes everything that the node stores from the records. Resolves when that has ended, or after `waitMs`
   * (default 1,000) with how far it is; ask again with `follow`.
   */
  checkIntegrity(
    options: CallOptions & {
      readonly waitMs?: number | undefined;
      /** Begin no pass: tell of the one that runs, or of the last one. */
      readonly follow?: boolean | undefined;
    } = {},
  ): Promise<IntegrityReport> {
    const { waitMs = 1_000, follow = false } = options;
    return this.#session.call(SERVICE.checkIntegrity, { waitMs, follow }, options);
  }
}

function reasonOf(options: AdminOptions | undefined): string {
  return options?.reason ?? "";
}

const ORGANIZATION_STATUS: Readonly<Record<number, OrganizationStatus>> = {
  [admin.OrganizationStatus.ORGANIZATION_STATUS_ACTIVE]: "active",
  [admin.OrganizationStatus.ORGANIZATION_STATUS_MIGRATING]: "migrating",
  [admin.OrganizationStatus.ORGANIZATION_STATUS_SUSPENDED]: "suspended",
  [admin.OrganizationStatus.ORGANIZATION_STATUS_DELETING]: "deleting",
  [admin.OrganizationStatus.ORGANIZATION_STATUS_DELETED]: "deleted",
};

const VAULT_HEALTH: Readonly<Record<number, VaultWithHealth["health"]>> = {
  [admin.VaultHealth.VAULT_HEALTH_HEALTHY]: "healthy",
  [admin.VaultHealth.VAULT_HEALTH_DIVERGED]: "diverged",
};

const VAULT_STATUS: Readonly<Record<number, VaultStatus>> = {
  [admin.VaultStatus.VAULT_STATUS_ACTIVE]: "active",
  [admin.VaultStatus.VAULT_STATUS_READ_ONLY]: "read_only",
  [admin.VaultStatus.VAULT_STATUS_DELETED]: "deleted",
  [admin.VaultStatus.VAULT_STATUS_DELETING]: "deleting",
};

function organizationOf(message: admin.Organization | undefined): Organization {
  if (message === undefined) throw malformed("no organization");
  return { ...message, status: ORGANIZATION_STATUS[message.status] ?? "unknown" };
}

function vaultOf(message: admin.Vault | undefined): Vault {
  if (message === undefined) throw malformed("no vault");
  return { ...message, status: VAULT_STATUS[message.status] ?? "unknown" };
}
