/** Quotas of organizations, of tiers and of all organizations. For administrators of the cluster; readers see their own. */
import { admin } from "@authledger/proto";
import { type CallOptions, type Slug, slugOf } from "../options.js";
import type { Session } from "../session.js";
import { AdminList, type AdminListOptions } from "./admin-list.js";
import { malformed } from "./convert.js";
import { orUnknown } from "./sent-once.js";

const SERVICE = admin.AdminServiceService;
const DELETE_AGAIN = "see whether it is still set, and delete it again if it is";

/** Whose quota: an organization's, a tier's, or with neither that of all organizations. */
export interface QuotaOwner {
  readonly organization?: Slug | undefined;
  readonly tier?: string | undefined;
}

/** What is left out falls through to the tier's, then to that of all, then to the configuration; 0n = no limit. */
export interface QuotaLimits {
  readonly vaults?: bigint | undefined;
  /** Live bytes and history together, as `admin.getUsage` counts them. */
  readonly bytes?: bigint | undefined;
  /** Units a second, on each node. */
  readonly reads?: bigint | undefined;
  readonly writes?: bigint | undefined;
}

export interface Quota extends QuotaLimits {
  readonly organization?: bigint;
  readonly tier?: string;
  /** The tier that the organization is in. */
  readonly assignedTier?: string;
}

/** A limit that holds, and where it was set: organization, tier:<name>, global or configuration. */
export type EffectiveLimit = admin.EffectiveLimit;

export interface QuotaAnswer {
  /** As it was set; undefined where none is. */
  readonly quota: Quota | undefined;
  /** Of an organization: all four. */
  readonly effective: readonly EffectiveLimit[];
}

export type QuotaOptions = CallOptions & { readonly reason?: string | undefined };

export class QuotasClient {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /**
   * Sets all of a quota: a limit that is left out is one that falls through.
   * @throws LedgerError ORGANIZATION_NOT_FOUND, NAME_INVALID, INVALID_ARGUMENT, LIMIT_EXCEEDED
   * @example await client.quotas.set({ tier: "gold" }, { vaults: 100n, writes: 5_000n })
   * @example await client.quotas.set({ organization: 7n }, {}, { assignedTier: "gold" })
   */
  async set(
    owner: QuotaOwner,
    limits: QuotaLimits,
    options: QuotaOptions & { readonly assignedTier?: string | undefined } = {},
  ): Promise<Quota> {
    const { assignedTier = "", reason = "" } = options;
    const { vaults, bytes, reads, writes } = limits;
    const wanted = { limits: { vaults, bytes, reads, writes }, assignedTier, reason };
    const request = { ...ownerMessage(owner), ...wanted };
    const { quota } = await this.#session.call(SERVICE.setQuota, request, options);
    if (quota === undefined) throw malformed("no quota");
    return quotaOf(quota);
  }

  /** The quota as it was set, and for an organization the limits that hold. */
  async get(owner: QuotaOwner, options?: CallOptions): Promise<QuotaAnswer> {
    const request = ownerMessage(owner);
    const { quota, effective } = await this.#session.call(SERVICE.getQuota, request, options);
    return { quota: quota && quotaOf(quota), effective };
  }

  /** All that are set: of all organizations, of organizations, of tiers. */
  list(options: AdminListOptions = {}): AdminList<Quota> {
    return new AdminList(options, async (page) => {
      const found = await this.#session.call(SERVICE.listQuotas, page, options);
      return { rows: found.quotas.map(quotaOf), next: found.nextPageToken };
    });
  }

  /**
   * Takes a quota away, so that its limits fall through; false where none was set.
   * @throws LedgerError COMMIT_UNKNOWN where a node was lost with it: it is sent once
   */
  async delete(owner: QuotaOwner, options: QuotaOptions = {}): Promise<boolean> {
    const request = { ...ownerMessage(owner), reason: options.reason ?? "" };
    const sentOnce = this.#session.call(SERVICE.deleteQuota, request, options, "once");
    return (await orUnknown(sentOnce, DELETE_AGAIN)).existed;
  }
}

function ownerMessage({ organization, tier = "" }: QuotaOwner): {
  readonly organization: bigint;
  readonly tier: string;
} {
  return {
    organization: organization === undefined ? 0n : slugOf(organization, "organization"),
    tier,
  };
}

function quotaOf({ organization, tier, assignedTier, limits }: admin.Quota): Quota {
  const { vaults, bytes, reads, writes } = limits ?? {};
  return {
    ...(organization !== 0n && { organization }),
    ...(tier !== "" && { tier }),
    ...(assignedTier !== "" && { assignedTier }),
    ...(vaults !== undefined && { vaults }),
    ...(bytes !== undefined && { bytes }),
    ...(reads !== undefined && { reads }),
    ...(writes !== undefined && { writes }),
  };
}
