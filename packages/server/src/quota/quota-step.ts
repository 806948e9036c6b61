/**
 * How many vaults an organization may have and how many bytes it may store, after the roles have let the call pass. Its
 * rates are the token buckets' (protection/organization-step.ts).
 *
 *   INV-QUOTA-3  A call that is refused for its quota has changed nothing. A quota is exceeded by no more than the calls
 *                that passed the gate of the leader before the first of them was applied: the bytes, and the vaults, of
 *                the writes that are on their way at once.
 *
 * What is stored is asked for as of all that was acknowledged before, on every node; one that has no leader to ask lets the
 * call pass, and the call ends at the same obstacle. What only deletes passes always: else nobody could come below a limit
 * again.
 */
import type { EnginePort } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import type { GateStep } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import { isNotLeader } from "../not-leader.js";
import type { Refusals } from "../protection/refusals.js";
import type { EffectiveLimit, EffectiveLimits } from "./quotas.js";

/** They store nothing but the record of what they took away. */
const TAKE_AWAY: ReadonlySet<string> = new Set(["deleteByFilter", "erase"]);

export interface QuotaStepDeps {
  readonly engine: EnginePort;
  readonly limitsOf: (organization: bigint) => EffectiveLimits;
  readonly refusals: Refusals;
}

interface Weighed {
  readonly transaction?: Transaction | undefined;
  readonly transactions?: readonly Transaction[];
}

interface Transaction {
  readonly operations: readonly { readonly operation?: { readonly $case: string } | undefined }[];
}

export class QuotaStep implements GateStep {
  readonly #deps: QuotaStepDeps;

  constructor(deps: QuotaStepDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError QUOTA_EXCEEDED (rejects with it) */
  enter(call: GatedCall): void | Promise<void> {
    const quota = quotaOf(call);
    const organization = quota === undefined ? 0n : (call.target.organization ?? 0n);
    if (quota === undefined || organization === 0n) return undefined;
    const effective = this.#deps.limitsOf(organization)[quota];
    if (effective.limit === 0) return undefined;
    if (quota === "bytes" && onlyDeletes(call.message)) return undefined;
    return this.#require(quota, organization, effective, call.deadlineAtMs);
  }

  async #require(
    quota: "vaults" | "bytes",
    organization: bigint,
    { limit, source }: EffectiveLimit,
    deadlineAtMs: number | undefined,
  ): Promise<void> {
    const actual = await this.#used(quota, organization, deadlineAtMs);
    if (actual === undefined || actual < limit) return;
    this.#deps.refusals.count(quota === "vaults" ? "quota_vaults" : "quota_bytes");
    const has = quota === "vaults" ? `has ${actual} vaults` : `stores ${actual} bytes`;
    const message = `organization ${organization} ${has}, and its quota is ${limit} (set by ${source})`;
    const details = { quota, limit, actual, source, organization: String(organization) };
    throw new LedgerError("QUOTA_EXCEEDED", message, { details });
  }

  /** Undefined where there is nobody to ask, or the call itself must tell. */
  async #used(
    quota: "vaults" | "bytes",
    organization: bigint,
    deadlineAtMs: number | undefined,
  ): Promise<number | undefined> {
    try {
      const { usage } = await this.#deps.engine.call("get_usage", { organization }, deadlineAtMs);
      return quota === "vaults" ? usage.vaults : usage.liveBytes + usage.historyBytes;
    } catch (error) {
      if (isNotLeader(error)) return undefined;
      if (error instanceof LedgerError && error.code === "ORGANIZATION_NOT_FOUND") return undefined;
      throw error;
    }
  }
}

function quotaOf({ charge, method }: GatedCall): "vaults" | "bytes" | undefined {
  if (method.service === "AdminService")
    return method.name === "createVault" ? "vaults" : undefined;
  const isStoring = charge?.kind === "write" && !charge.isReserved && !TAKE_AWAY.has(method.name);
  return isStoring ? "bytes" : undefined;
}

/** Of a call that is no transaction: false. */
function onlyDeletes(request: object): boolean {
  const { transaction, transactions = [] } = request as Weighed;
  const all = transaction === undefined ? transactions : [transaction];
  return (
    all.length > 0 &&
    all.every(({ operations }) =>
      operations.every(
        ({ operation }) => operation !== undefined && /^(delete|tupleMust)/.test(operation.$case),
      ),
    )
  );
}
