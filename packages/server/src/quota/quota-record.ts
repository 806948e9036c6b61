/**
 * A quota as the system vault keeps it: an entity `quota:global`, `quota:tier:<name>` or `quota:organization:<slug>`, whose
 * value is JSON with the limits that were given, and for an organization the tier that it is in.
 */
import type { Operation } from "@authledger/types";
import { decodeUtf8, LedgerError, utf8, validateName } from "@authledger/types";
import { z } from "zod";

export const QUOTA_PREFIX = "quota:";
const GLOBAL = `${QUOTA_PREFIX}global`;
const TIER = `${QUOTA_PREFIX}tier:`;
const ORGANIZATION = `${QUOTA_PREFIX}organization:`;

/** What can be limited. Reads and writes are units a second. */
export const QUOTA_NAMES = ["vaults", "bytes", "reads", "writes"] as const;
export type QuotaName = (typeof QUOTA_NAMES)[number];

/** What is absent falls through; 0 = no limit. */
export type QuotaLimits = { readonly [K in QuotaName]?: number | undefined };

export interface QuotaRecord extends QuotaLimits {
  /** Of an organization. */
  readonly tier?: string | undefined;
}

/** Whose quota: an organization's, a tier's, or with neither that of all organizations. */
export interface QuotaOwner {
  readonly organization: bigint;
  readonly tier: string;
}

const limit = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional();
const schema = z.object({
  ...{ vaults: limit, bytes: limit, reads: limit, writes: limit },
  tier: z.string().optional(),
});

/** @throws LedgerError INVALID_ARGUMENT, NAME_INVALID */
export function quotaKey({ organization, tier }: QuotaOwner): string {
  if (organization !== 0n && tier !== "") {
    const message = "a quota is an organization's or a tier's, not both";
    throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "tier" } });
  }
  if (organization !== 0n) return `${ORGANIZATION}${organization}`;
  if (tier === "") return GLOBAL;
  validateName(tier, "tier");
  return `${TIER}${tier}`;
}

/** Undefined for a key that a newer version may have written. */
export function quotaOwner(key: string): QuotaOwner | undefined {
  if (key === GLOBAL) return { organization: 0n, tier: "" };
  const tier = key.startsWith(TIER) ? key.slice(TIER.length) : "";
  if (tier !== "") return { organization: 0n, tier };
  const slug = key.startsWith(ORGANIZATION) ? key.slice(ORGANIZATION.length) : "";
  return /^[1-9][0-9]{0,19}$/.test(slug) ? { organization: BigInt(slug), tier: "" } : undefined;
}

/** @throws LedgerError CODEC_DECODE for what no version of ours wrote */
export function readQuota(value: Uint8Array): QuotaRecord {
  try {
    return schema.parse(JSON.parse(decodeUtf8(value) ?? ""));
  } catch (cause) {
    throw new LedgerError("CODEC_DECODE", "a quota of the system vault is not as it is written", {
      cause,
    });
  }
}

export function quotaOperation(key: string, record: QuotaRecord | undefined): Operation {
  const condition = { kind: "none" } as const;
  if (record === undefined) return { op: "delete_entity", key, condition };
  const value = utf8(JSON.stringify(record));
  return { op: "set_entity", key, value, expiresAtMs: 0, condition };
}
