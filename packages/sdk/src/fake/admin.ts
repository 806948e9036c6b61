/** AdminService of a fake ledger. */
import { admin } from "@authledger/proto";
import { ByteReader, ByteWriter, validateName } from "@authledger/types";
import { numberOf, pageSizeOf } from "./requests.js";
import {
  CLUSTER_ORIGIN,
  type FakeOrganization,
  type FakeState,
  type OpenVault,
  requireSlug,
} from "./state.js";
import { decodePageToken, encodePageToken } from "./tokens.js";

export class FakeAdmin {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  createOrganization({ name }: admin.CreateOrganizationRequest): admin.CreateOrganizationResponse {
    validateName(name, "name");
    return { organization: this.#organization(this.#state.createOrganization(name)) };
  }

  getOrganization({ organization }: admin.GetOrganizationRequest): admin.GetOrganizationResponse {
    requireSlug(organization, "organization");
    return { organization: this.#organization(this.#state.organization(organization)) };
  }

  deleteOrganization(request: admin.DeleteOrganizationRequest): admin.DeleteOrganizationResponse {
    requireSlug(request.organization, "organization");
    const organization = this.#state.organization(request.organization);
    this.#state.deleteOrganization(organization);
    return { organization: this.#organization(organization) };
  }

  deleteVault(request: admin.DeleteVaultRequest): admin.DeleteVaultResponse {
    const open = this.#state.anyVault(request);
    this.#state.deleteVault(open);
    return { vault: this.#vault(open) };
  }

  listOrganizations(request: admin.ListOrganizationsRequest): admin.ListOrganizationsResponse {
    const all = this.#state.organizations();
    const { page, nextPageToken } = pageOf(all, ({ slug }) => slug, "organizations", request);
    return { organizations: page.map((one) => this.#organization(one)), nextPageToken };
  }

  createVault({ organization, name }: admin.CreateVaultRequest): admin.CreateVaultResponse {
    requireSlug(organization, "organization");
    validateName(name, "name");
    const open = this.#state.createVault(organization, name);
    return { vault: this.#vault(open), genesisHeader: open.commitment.header(0) };
  }

  getVault(request: admin.GetVaultRequest): admin.GetVaultResponse {
    const health = admin.VaultHealth.VAULT_HEALTH_HEALTHY;
    return { vault: this.#vault(this.#state.anyVault(request)), health };
  }

  updateVault(request: admin.UpdateVaultRequest): admin.UpdateVaultResponse {
    const open = this.#state.vault(request);
    if (request.name !== undefined) validateName(request.name, "name");
    const { name, retentionBlocks } = request;
    if (name !== undefined) open.vault.name = name;
    if (retentionBlocks !== undefined) {
      open.vault.keep(numberOf(retentionBlocks, "retention_blocks"));
    }
    return { vault: this.#vault(open) };
  }

  listVaults(request: admin.ListVaultsRequest): admin.ListVaultsResponse {
    const { organization } = request;
    requireSlug(organization, "organization");
    this.#state.organization(organization);
    const query = `vaults of ${organization}`;
    const all = this.#state.vaults(organization);
    const slugOf = ({ vault }: OpenVault): bigint => vault.identity.slug;
    const { page, nextPageToken } = pageOf(all, slugOf, query, request);
    return { vaults: page.map((one) => this.#vault(one)), nextPageToken };
  }

  getTrustAnchor(request: admin.GetTrustAnchorRequest): admin.GetTrustAnchorResponse {
    return { anchor: this.#state.anchor(request) };
  }

  getNodeInfo(): admin.GetNodeInfoResponse {
    const { index, startedAtMs } = this.#state;
    const at = BigInt(index);
    return {
      nodeId: 1n,
      clusterId: "fake",
      clusterOrigin: CLUSTER_ORIGIN,
      formatVersion: 1,
      role: "leader",
      term: 1n,
      lastIndex: at,
      appliedIndex: at,
      flushedIndex: at,
      organizations: BigInt(this.#state.organizations().length + 1),
      vaults: BigInt(this.#state.vaults().length + 1),
      apiVersionOldest: 1,
      apiVersionNewest: 1,
      evidence: [],
      httpAddress: "",
      version: "fake",
      startedAtMs: BigInt(startedAtMs),
    };
  }

  #organization(one: FakeOrganization): admin.Organization {
    return organizationMessage(one, this.#state.isDeleted(one.slug));
  }

  #vault(one: OpenVault): admin.Vault {
    return vaultMessage(one, this.#state.isDeleted(one));
  }
}

/** A page of what is in the order of its slugs. */
function pageOf<T>(
  all: readonly T[],
  slugOf: (one: T) => bigint,
  query: string,
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: Uint8Array },
): { page: T[]; nextPageToken: Uint8Array } {
  const limit = pageSizeOf(pageSize);
  const position = decodePageToken(query, pageToken);
  const after = position && new ByteReader(position, "page token").u64("slug");
  const rest = all.filter((one) => after === undefined || slugOf(one) > after);
  const page = rest.slice(0, limit);
  if (rest.length <= limit) return { page, nextPageToken: new Uint8Array(0) };
  const last = new ByteWriter(8).u64(slugOf(page.at(-1)!)).finish();
  return { page, nextPageToken: encodePageToken(query, last) };
}

function organizationMessage(
  { slug, name, createdAtMs }: FakeOrganization,
  isDeleted: boolean,
): admin.Organization {
  const { ORGANIZATION_STATUS_ACTIVE: active, ORGANIZATION_STATUS_DELETED: deleted } =
    admin.OrganizationStatus;
  const status = isDeleted ? deleted : active;
  return { slug, name, status, createdAtMs: BigInt(createdAtMs) };
}

function vaultMessage({ vault }: OpenVault, isDeleted: boolean): admin.Vault {
  const { VAULT_STATUS_ACTIVE: active, VAULT_STATUS_DELETED: deleted } = admin.VaultStatus;
  const { organization, slug, origin, createdAtMs } = vault.identity;
  const { name } = vault;
  return {
    organization,
    slug,
    name,
    status: isDeleted ? deleted : active,
    createdAtMs: BigInt(createdAtMs),
    origin,
    height: BigInt(vault.size - 1),
    retentionBlocks: BigInt(vault.retentionBlocks),
    oldestHeight: BigInt(vault.oldest),
  };
}
