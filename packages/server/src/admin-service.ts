/** AdminService over the engine's port. */
import { snapshotChunks } from "@authledger/engine";
import { admin } from "@authledger/proto";
import { ByteReader, ByteWriter, limits, validateFreeText, validateName } from "@authledger/types";
import { type CallContext, type Decoders, strict } from "./call-frame.js";
import { type ConfigDeps, getConfig, updateConfig } from "./config/config-calls.js";
import { numberOf, pageSizeOf } from "./convert-request.js";
import { organizationMessage, usageMessage, vaultMessage } from "./convert-response.js";
import { API_VERSION_NEWEST, API_VERSION_OLDEST } from "./gate/version.js";
import type { Roles } from "./iam/roles.js";
import { VisibleOrganizations } from "./iam/visible-organizations.js";
import { checkIntegrity, compact, healthMessage, maintenanceMessage } from "./maintenance-calls.js";
import type { HotKey } from "./protection/hot-keys.js";
import type { TierRates } from "./protection/protection-config.js";
import { QuotaCalls } from "./quota/quota-calls.js";
import type { Quotas } from "./quota/quotas.js";
import type { ServiceDeps } from "./read-service.js";
import { type AnyStreamMethod, transfer } from "./streaming.js";
import { SystemVault } from "./system/system-vault.js";
import type { Handler } from "./unary.js";
import { requireSlug } from "./vault-directory.js";

export const ADMIN_REQUESTS: Decoders<admin.AdminServiceService> = {
  createOrganization: strict(admin.CreateOrganizationRequest),
  getOrganization: strict(admin.GetOrganizationRequest),
  deleteOrganization: strict(admin.DeleteOrganizationRequest),
  listOrganizations: strict(admin.ListOrganizationsRequest),
  createVault: strict(admin.CreateVaultRequest),
  getVault: strict(admin.GetVaultRequest),
  deleteVault: strict(admin.DeleteVaultRequest),
  listVaults: strict(admin.ListVaultsRequest),
  updateVault: strict(admin.UpdateVaultRequest),
  getTrustAnchor: strict(admin.GetTrustAnchorRequest),
  getNodeInfo: strict(admin.GetNodeInfoRequest),
  compact: strict(admin.CompactRequest),
  checkIntegrity: strict(admin.CheckIntegrityRequest),
  suspendOrganization: strict(admin.SuspendOrganizationRequest),
  resumeOrganization: strict(admin.ResumeOrganizationRequest),
  getUsage: strict(admin.GetUsageRequest),
  getConfig: strict(admin.GetConfigRequest),
  updateConfig: strict(admin.UpdateConfigRequest),
  setQuota: strict(admin.SetQuotaRequest),
  getQuota: strict(admin.GetQuotaRequest),
  listQuotas: strict(admin.ListQuotasRequest),
  deleteQuota: strict(admin.DeleteQuotaRequest),
  getHotKeys: strict(admin.GetHotKeysRequest),
  exportSnapshot: strict(admin.ExportSnapshotRequest),
};

interface AdminHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly createOrganization: Handler<
    admin.CreateOrganizationRequest,
    admin.CreateOrganizationResponse
  >;
  readonly getOrganization: Handler<admin.GetOrganizationRequest, admin.GetOrganizationResponse>;
  readonly deleteOrganization: Handler<
    admin.DeleteOrganizationRequest,
    admin.DeleteOrganizationResponse
  >;
  readonly listOrganizations: Handler<
    admin.ListOrganizationsRequest,
    admin.ListOrganizationsResponse
  >;
  readonly suspendOrganization: Handler<
    admin.SuspendOrganizationRequest,
    admin.SuspendOrganizationResponse
  >;
  readonly resumeOrganization: Handler<
    admin.ResumeOrganizationRequest,
    admin.ResumeOrganizationResponse
  >;
  readonly getUsage: Handler<admin.GetUsageRequest, admin.GetUsageResponse>;
  readonly getConfig: Handler<admin.GetConfigRequest, admin.GetConfigResponse>;
  readonly updateConfig: Handler<admin.UpdateConfigRequest, admin.UpdateConfigResponse>;
  readonly setQuota: Handler<admin.SetQuotaRequest, admin.SetQuotaResponse>;
  readonly getQuota: Handler<admin.GetQuotaRequest, admin.GetQuotaResponse>;
  readonly listQuotas: Handler<admin.ListQuotasRequest, admin.ListQuotasResponse>;
  readonly deleteQuota: Handler<admin.DeleteQuotaRequest, admin.DeleteQuotaResponse>;
  readonly getHotKeys: Handler<admin.GetHotKeysRequest, admin.GetHotKeysResponse>;
  readonly createVault: Handler<admin.CreateVaultRequest, admin.CreateVaultResponse>;
  readonly getVault: Handler<admin.GetVaultRequest, admin.GetVaultResponse>;
  readonly deleteVault: Handler<admin.DeleteVaultRequest, admin.DeleteVaultResponse>;
  readonly listVaults: Handler<admin.ListVaultsRequest, admin.ListVaultsResponse>;
  readonly updateVault: Handler<admin.UpdateVaultRequest, admin.UpdateVaultResponse>;
  readonly getTrustAnchor: Handler<admin.GetTrustAnchorRequest, admin.GetTrustAnchorResponse>;
  readonly getNodeInfo: Handler<admin.GetNodeInfoRequest, admin.GetNodeInfoResponse>;
  readonly compact: Handler<admin.CompactRequest, admin.CompactResponse>;
  readonly checkIntegrity: Handler<admin.CheckIntegrityRequest, admin.CheckIntegrityResponse>;
}

/** What limits organizations, and what was seen of keys. */
export interface LimitDeps {
  readonly quotas: Quotas;
  /** Of organizations without a quota. */
  readonly organizationRates: () => TierRates;
  /** Most first. */
  readonly hotKeys: () => readonly HotKey[];
}

export class AdminService {
  readonly #deps: ServiceDeps;
  readonly #visible: VisibleOrganizations;
  readonly #version: string;
  readonly #startedAtMs: number;
  readonly #httpAddress: string;
  readonly #config: ConfigDeps;
  readonly #quotas: QuotaCalls;
  readonly #hotKeys: () => readonly HotKey[];

  constructor(
    deps: ServiceDeps & { readonly roles: Roles },
    about: {
      readonly version: string;
      readonly startedAtMs: number;
      readonly httpAddress: string;
    },
    live: { readonly config: ConfigDeps; readonly limits: LimitDeps },
  ) {
    this.#config = live.config;
    const { quotas, organizationRates: configured, hotKeys } = live.limits;
    const system = new SystemVault(deps.engine);
    this.#quotas = new QuotaCalls({ ...deps, system, quotas, configured });
    this.#hotKeys = hotKeys;
    this.#deps = deps;
    this.#visible = new VisibleOrganizations(deps);
    this.#version = about.version;
    this.#startedAtMs = about.startedAtMs;
    this.#httpAddress = about.httpAddress;
  }

  readonly handlers: AdminHandlers = {
    createOrganization: async ({ name, reason }, call) => {
      validateName(name, "name");
      const request = { name, ...stated(reason, call) };
      const reply = await this.#deps.engine.call("create_organization", request);
      return { organization: organizationMessage(reply.organization) };
    },
    getOrganization: async ({ organization }) => {
      requireSlug(organization, "organization");
      const reply = await this.#deps.engine.call("get_organization", { organization });
      return { organization: organizationMessage(reply.organization) };
    },
    deleteOrganization: async ({ organization, reason }, call) => {
      requireSlug(organization, "organization");
      const request = { organization, ...stated(reason, call) };
      const reply = await this.#deps.engine.call("delete_organization", request);
      return { organization: organizationMessage(reply.organization) };
    },
    listOrganizations: (request, { principal }) => this.#visible.page(principal, request),
    suspendOrganization: (request, call) => this.#setService("suspend_organization", request, call),
    resumeOrganization: (request, call) => this.#setService("resume_organization", request, call),
    getUsage: async ({ organization, vault }) => {
      requireSlug(organization, "organization");
      const { usage } = await this.#deps.engine.call("get_usage", {
        organization,
        ...(vault !== 0n && { vault }),
      });
      return { usage: usageMessage(usage) };
    },
    getConfig: async () => getConfig(this.#config),
    updateConfig: (request, call) => updateConfig(this.#config, request, call),
    setQuota: (request, call) => this.#quotas.set(request, call),
    getQuota: (request, call) => this.#quotas.get(request, call),
    listQuotas: (request, call) => this.#quotas.list(request, call),
    deleteQuota: (request, call) => this.#quotas.delete(request, call),
    getHotKeys: async () => ({
      keys: this.#hotKeys().map(({ key, perSecond }) => ({ key, perSecond: BigInt(perSecond) })),
    }),
    createVault: async ({ organization, name, reason }, call) => {
      requireSlug(organization, "organization");
      validateName(name, "name");
      const request = { organization, name, ...stated(reason, call) };
      const { vault, genesisHeader } = await this.#deps.engine.call("create_vault", request);
      return { vault: vaultMessage(vault), genesisHeader };
    },
    getVault: async ({ organization, vault }) => {
      requireSlug(organization, "organization");
      requireSlug(vault, "vault");
      const reply = await this.#deps.engine.call("get_vault", { organization, vault });
      return { vault: vaultMessage(reply.vault), health: healthMessage(reply.health) };
    },
    deleteVault: async ({ organization, vault, reason }, call) => {
      requireSlug(organization, "organization");
      requireSlug(vault, "vault");
      const request = { organization, vault, ...stated(reason, call) };
      const reply = await this.#deps.engine.call("delete_vault", request);
      return { vault: vaultMessage(reply.vault) };
    },
    updateVault: async (request, call) => {
      const { organization, vault, name, retentionBlocks: blocks, reason } = request;
      requireSlug(organization, "organization");
      requireSlug(vault, "vault");
      if (name !== undefined) validateName(name, "name");
      const reply = await this.#deps.engine.call("update_vault", {
        organization,
        vault,
        ...stated(reason, call),
        ...(name !== undefined && { name }),
        ...(blocks !== undefined && { retentionBlocks: numberOf(blocks, "retention_blocks") }),
      });
      return { vault: vaultMessage(reply.vault) };
    },
    listVaults: async ({ organization, pageSize, pageToken }) => {
      requireSlug(organization, "organization");
      const query = `vaults of ${organization}`;
      const after = this.#after(query, pageToken);
      const { vaults, next } = await this.#deps.engine.call("list_vaults", {
        organization,
        limit: pageSizeOf(pageSize),
        ...(after !== undefined && { after }),
      });
      return { vaults: vaults.map(vaultMessage), nextPageToken: this.#next(query, next) };
    },
    getTrustAnchor: async (name) => {
      const { vaults, engine } = this.#deps;
      const id = vaults.known(name) ?? (await vaults.resolve(name));
      return engine.call("get_trust_anchor", { vault: id });
    },
    getNodeInfo: async () => {
      const info = await this.#deps.engine.call("get_node_info", {});
      return {
        ...info,
        version: this.#version,
        startedAtMs: BigInt(this.#startedAtMs),
        httpAddress: this.#httpAddress,
        apiVersionOldest: API_VERSION_OLDEST,
        apiVersionNewest: API_VERSION_NEWEST,
        term: BigInt(info.term),
        lastIndex: BigInt(info.lastIndex),
        appliedIndex: BigInt(info.appliedIndex),
        flushedIndex: BigInt(info.flushedIndex),
        organizations: BigInt(info.organizations),
        vaults: BigInt(info.vaults),
        maintenance: maintenanceMessage(info.maintenance),
        evidence: [...info.evidence],
      };
    },
    compact: (request) => compact(this.#deps.engine, request),
    checkIntegrity: (request) => checkIntegrity(this.#deps.engine, request),
  };

  readonly streams: { readonly [name: string]: AnyStreamMethod } = {
    exportSnapshot: transfer(() => this.#exportSnapshot()),
  };

  async #setService(
    call: "suspend_organization" | "resume_organization",
    { organization, reason }: admin.SuspendOrganizationRequest,
    context: CallContext,
  ): Promise<admin.SuspendOrganizationResponse> {
    requireSlug(organization, "organization");
    const request = { organization, ...stated(reason, context) };
    const reply = await this.#deps.engine.call(call, request);
    return { organization: organizationMessage(reply.organization) };
  }

  async *#exportSnapshot(): AsyncGenerator<admin.ExportSnapshotResponse, void, undefined> {
    for await (const chunk of snapshotChunks(this.#deps.engine)) yield { chunk };
  }

  #after(query: string, token: Uint8Array): bigint | undefined {
    const position = this.#deps.pageTokens.decode(query, token);
    return position && new ByteReader(position, "page token").u64("slug");
  }

  #next(query: string, next: bigint | undefined): Uint8Array {
    if (next === undefined) return new Uint8Array(0);
    return this.#deps.pageTokens.encode(query, new ByteWriter(8).u64(next).finish());
  }
}

/** Who changes something, and why. @throws LedgerError LIMIT_EXCEEDED, INVALID_ARGUMENT */
function stated(reason: string, { principal }: CallContext): { actor: string; reason: string } {
  validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
  return { actor: principal.name, reason };
}
