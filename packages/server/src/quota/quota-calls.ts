/** SetQuota, GetQuota, ListQuotas and DeleteQuota. */
import type { EnginePort } from "@authledger/engine";
import type { admin } from "@authledger/proto";
import { LedgerError, limits, validateFreeText, validateName } from "@authledger/types";
import type { CallContext } from "../call-frame.js";
import { numberOf, pageSizeOf } from "../convert-request.js";
import type { TierRates } from "../protection/protection-config.js";
import type { SystemVault } from "../system/system-vault.js";
import type { PageTokens } from "../tokens.js";
import {
  QUOTA_NAMES,
  QUOTA_PREFIX,
  type QuotaLimits,
  type QuotaOwner,
  type QuotaRecord,
  quotaKey,
  quotaOwner,
  readQuota,
} from "./quota-record.js";
import type { Quotas } from "./quotas.js";

const QUERY = "quotas";
/** Units a second that a rate may have, as in the configuration. */
const RATE_MAX = 1_000_000_000;

export interface QuotaCallsDeps {
  readonly engine: EnginePort;
  readonly system: SystemVault;
  readonly quotas: Quotas;
  readonly pageTokens: PageTokens;
  /** Of organizations without a quota. */
  readonly configured: () => TierRates;
}

export class QuotaCalls {
  readonly #deps: QuotaCallsDeps;

  constructor(deps: QuotaCallsDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError INVALID_ARGUMENT, NAME_INVALID, ORGANIZATION_NOT_FOUND, LIMIT_EXCEEDED, and as a write */
  async set(
    request: admin.SetQuotaRequest,
    { principal, deadlineAtMs }: CallContext,
  ): Promise<admin.SetQuotaResponse> {
    const { organization, tier, assignedTier, reason } = request;
    validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
    const owner = { organization, tier };
    quotaKey(owner);
    if (organization !== 0n) await this.#deps.engine.call("get_organization", { organization });
    if (assignedTier !== "") this.#requireTier(owner, assignedTier);
    const record = {
      ...limitsOf(request.limits ?? {}),
      ...(assignedTier !== "" && { tier: assignedTier }),
    };
    await this.#deps.quotas.set(owner, record, { actor: principal.name, reason, deadlineAtMs });
    return { quota: quotaMessage(owner, record) };
  }

  /** As of every write that was acknowledged before. */
  async get(
    { organization, tier }: admin.GetQuotaRequest,
    { deadlineAtMs }: CallContext,
  ): Promise<admin.GetQuotaResponse> {
    const { system, quotas, configured } = this.#deps;
    const owner = { organization, tier };
    const question = { consistency: "linearizable", deadlineAtMs } as const;
    const entity = await system.read(quotaKey(owner), question);
    const quota = entity && quotaMessage(owner, readQuota(entity.value));
    if (organization === 0n) return { quota, effective: [] };
    await quotas.look();
    const effective = quotas.of(organization, configured()).limits;
    return {
      quota,
      effective: QUOTA_NAMES.map((name) => {
        const { limit, source } = effective[name];
        return { quota: name, limit: BigInt(limit), source };
      }),
    };
  }

  async list(
    { pageSize, pageToken }: admin.ListQuotasRequest,
    { deadlineAtMs }: CallContext,
  ): Promise<admin.ListQuotasResponse> {
    const { system, pageTokens } = this.#deps;
    const after = pageTokens.decode(QUERY, pageToken);
    const { entities, next } = await system.list(QUOTA_PREFIX, {
      ...{ consistency: "linearizable", deadlineAtMs, limit: pageSizeOf(pageSize) },
      ...(after !== undefined && { after }),
    });
    const quotas = entities.flatMap(({ key, value }) => {
      const owner = quotaOwner(key);
      return owner === undefined ? [] : [quotaMessage(owner, readQuota(value))];
    });
    const nextPageToken = next === undefined ? new Uint8Array(0) : pageTokens.encode(QUERY, next);
    return { quotas, nextPageToken };
  }

  async delete(
    { organization, tier, reason }: admin.DeleteQuotaRequest,
    { principal, deadlineAtMs }: CallContext,
  ): Promise<admin.DeleteQuotaResponse> {
    validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
    const about = { actor: principal.name, reason, deadlineAtMs };
    return { existed: await this.#deps.quotas.delete({ organization, tier }, about) };
  }

  #requireTier({ organization }: QuotaOwner, tier: string): void {
    validateName(tier, "assigned_tier");
    const field = "assigned_tier";
    if (organization === 0n) {
      const message = "only an organization can be put in a tier";
      throw new LedgerError("INVALID_ARGUMENT", message, { details: { field } });
    }
    if (this.#deps.quotas.record({ organization: 0n, tier }) !== undefined) return;
    const message = `there is no tier "${tier}": set its quota first`;
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field, tier } });
  }
}

/** @throws LedgerError INVALID_ARGUMENT, LIMIT_EXCEEDED */
function limitsOf(message: admin.QuotaLimits): QuotaLimits {
  const found: Record<string, number> = {};
  for (const name of QUOTA_NAMES) {
    const value = message[name];
    if (value === undefined) continue;
    const limit = numberOf(value, `limits.${name}`);
    const isRate = name === "reads" || name === "writes";
    if (isRate && limit > RATE_MAX) {
      const details = { field: `limits.${name}`, limit: RATE_MAX, actual: limit };
      const text = `limits.${name} is ${limit}; at most ${RATE_MAX} units a second`;
      throw new LedgerError("LIMIT_EXCEEDED", text, { details });
    }
    found[name] = limit;
  }
  return found;
}

function quotaMessage({ organization, tier }: QuotaOwner, record: QuotaRecord): admin.Quota {
  const big = (value: number | undefined): bigint | undefined =>
    value === undefined ? undefined : BigInt(value);
  const { vaults, bytes, reads, writes } = record;
  return {
    ...{ organization, tier, assignedTier: record.tier ?? "" },
    limits: {
      ...{ vaults: big(vaults), bytes: big(bytes) },
      ...{ reads: big(reads), writes: big(writes) },
    },
  };
}
