/** Requests that are right, for tests to send or to spoil. */
import type { Harness } from "./harness.js";

export const TUPLE = { resource: "doc:a", relation: "viewer", subject: "user:ann" } as const;

type Tenant = Harness["tenant"];

export interface GoodCall {
  readonly method: readonly ["read" | "write" | "admin", string];
  readonly request: (tenant: Tenant) => object;
}

export function createTuple(tuple: object = TUPLE): object {
  return { operation: { $case: "createRelationship", value: { tuple, expiresAtMs: 0n } } };
}

export function transaction(operations: readonly object[], rest: object = {}): object {
  return { operations, clientId: "", idempotencyKey: "", reason: "", ...rest };
}

/** One right request for each method of the API. */
export const GOOD_CALLS: readonly GoodCall[] = [
  { method: ["read", "read"], request: (t) => ({ ...t, key: "a:b" }) },
  { method: ["read", "batchRead"], request: (t) => ({ ...t, keys: ["a:b", "c"] }) },
  { method: ["read", "check"], request: (t) => ({ ...t, tuple: TUPLE }) },
  { method: ["read", "batchCheck"], request: (t) => ({ ...t, tuples: [TUPLE] }) },
  { method: ["read", "listRelationships"], request: (t) => ({ ...t, ...PAGE }) },
  {
    method: ["read", "listEntities"],
    request: (t) => ({ ...t, ...PAGE, prefix: "a", includeExpired: false }),
  },
  { method: ["read", "listResources"], request: (t) => ({ ...t, ...PAGE, type: "doc" }) },
  { method: ["read", "getClientState"], request: (t) => ({ ...t, clientId: "app" }) },
  { method: ["read", "getTip"], request: (t) => t },
  { method: ["read", "getBlock"], request: (t) => ({ ...t, height: 0n, transactions: true }) },
  { method: ["read", "getCheckpoint"], request: (t) => ({ ...t, trustedSize: 0n }) },
  {
    method: ["read", "getConsistencyProof"],
    request: (t) => ({ ...t, fromSize: 1n, toSize: 2n }),
  },
  {
    method: ["read", "listPolicyBundles"],
    request: (t) => ({ ...t, epoch: 1n, trustedSize: 1n }),
  },
  { method: ["read", "reportCheckpoint"], request: (t) => ({ ...t, checkpoint: "note" }) },
  {
    method: ["read", "getBlockRange"],
    request: (t) => ({ ...t, fromHeight: 0n, limit: 0, transactions: false, compactRange: true }),
  },
  { method: ["read", "getBlockProof"], request: (t) => ({ ...t, height: 0n }) },
  { method: ["read", "listChanges"], request: (t) => ({ ...t, ...PAGE, fromHeight: 0n }) },
  {
    method: ["write", "write"],
    request: (t) => ({ ...t, transaction: transaction([createTuple()]), prove: false }),
  },
  {
    method: ["write", "batchWrite"],
    request: (t) => ({ ...t, transactions: [transaction([createTuple()])], prove: false }),
  },
  {
    method: ["write", "deleteByFilter"],
    request: (t) => ({
      ...{ ...t, reason: "", all: false, dryRun: false, pageToken: new Uint8Array(0) },
      filter: { $case: "entityPrefix", value: "nothing:" },
    }),
  },
  {
    method: ["write", "erase"],
    request: (t) => ({
      ...{ ...t, reason: "", keepCurrent: false },
      target: { $case: "entityKey", value: "a:b" },
    }),
  },
  { method: ["admin", "suspendOrganization"], request: (t) => ({ ...t, reason: "" }) },
  { method: ["admin", "resumeOrganization"], request: (t) => ({ ...t, reason: "" }) },
  { method: ["admin", "getUsage"], request: (t) => t },
  { method: ["admin", "getConfig"], request: () => ({}) },
  {
    method: ["admin", "updateConfig"],
    request: () => ({ values: { scrubHours: "5" }, dryRun: true, reason: "" }),
  },
  { method: ["admin", "setQuota"], request: () => ({ ...QUOTA, limits: { vaults: 9n } }) },
  { method: ["admin", "getQuota"], request: () => QUOTA },
  { method: ["admin", "listQuotas"], request: () => PAGE },
  { method: ["admin", "deleteQuota"], request: () => QUOTA },
  { method: ["admin", "getHotKeys"], request: () => ({}) },
  { method: ["admin", "createOrganization"], request: () => ({ name: "acme" }) },
  { method: ["admin", "getOrganization"], request: (t) => t },
  { method: ["admin", "listOrganizations"], request: () => PAGE },
  { method: ["admin", "createVault"], request: (t) => ({ ...t, name: "main" }) },
  { method: ["admin", "getVault"], request: (t) => t },
  { method: ["admin", "updateVault"], request: (t) => ({ ...t, retentionBlocks: 10n }) },
  { method: ["admin", "listVaults"], request: (t) => ({ ...t, ...PAGE }) },
  { method: ["admin", "deleteVault"], request: (t) => t },
  { method: ["admin", "deleteOrganization"], request: (t) => t },
  { method: ["admin", "getTrustAnchor"], request: (t) => t },
  { method: ["admin", "getNodeInfo"], request: () => ({}) },
  { method: ["admin", "compact"], request: () => ({ fillPercent: 0 }) },
  { method: ["admin", "checkIntegrity"], request: () => ({ waitMs: 10_000, follow: false }) },
];

/** Of all organizations. */
const QUOTA = { organization: 0n, tier: "", assignedTier: "", reason: "" };

export const PAGE: { readonly pageSize: number; readonly pageToken: Uint8Array } = {
  pageSize: 0,
  pageToken: new Uint8Array(0),
};
