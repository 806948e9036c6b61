/**
 * The quotas of the cluster as this node goes by them: all that the system vault holds, read again when it moves.
 *
 *   INV-QUOTA-1  Each limit is taken from the organization's quota, else from that of its tier, else from the one of all
 *                organizations, else from the node's configuration, and by every node in this order.
 *   INV-QUOTA-2  At most QUOTAS_MAX quotas are set, and of at most 2 * RESOLVED_MAX organizations the result is kept.
 *
 * A call never waits for a quota: what a node has applied is in memory.
 */
import { LedgerError } from "@authledger/types";
import { Generations } from "../generations.js";
import type { TierRates } from "../protection/protection-config.js";
import { hasEnded, isBeforeCluster } from "../system/not-serving.js";
import type { SystemMoves } from "../system/system-moves.js";
import type { SystemVault, SystemWrite } from "../system/system-vault.js";
import {
  QUOTA_PREFIX,
  type QuotaName,
  type QuotaOwner,
  type QuotaRecord,
  quotaKey,
  quotaOperation,
  readQuota,
} from "./quota-record.js";

export const QUOTAS_MAX = 10_000;
const RESOLVED_MAX = 4_096;

/** Where a limit was set. */
type QuotaSource = "organization" | `tier:${string}` | "global" | "configuration";

/** 0 = no limit. */
export interface EffectiveLimit {
  readonly limit: number;
  readonly source: QuotaSource;
}

export type EffectiveLimits = { readonly [K in QuotaName]: EffectiveLimit };

/** What of the organization's bucket the quota says, and where. */
export interface EffectiveRates {
  readonly of: TierRates;
  readonly limits: EffectiveLimits;
  readonly rates: TierRates;
}

export interface QuotasDeps {
  readonly system: SystemVault;
  readonly onProblem: (problem: LedgerError) => void;
}

export class Quotas {
  readonly #deps: QuotasDeps;
  #records: ReadonlyMap<string, QuotaRecord> = new Map();
  #resolved = new Generations<EffectiveRates, bigint>(RESOLVED_MAX);
  #height = -1;
  /** Other rows may be there at the height that was read. */
  #isReplaced = false;
  #looking: Promise<void> | undefined;
  #isStale = false;
  #problem = "";

  constructor(deps: QuotasDeps) {
    this.#deps = deps;
  }

  /** Resolves when what this node has applied is known; where there is no cluster yet there is nothing to know. */
  start(moves: SystemMoves): Promise<void> {
    moves.onMove((change) => {
      this.#isReplaced ||= change.isOfEverything;
      const isConcerned = change.isAboutEntities(QUOTA_PREFIX) || this.#problem !== "";
      if (isConcerned) void this.look();
    });
    return this.look();
  }

  /** Takes over what the system vault holds by now. Never rejects. */
  look(): Promise<void> {
    this.#isStale = true;
    this.#looking ??= this.#lookAgain().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  get count(): number {
    return this.#records.size;
  }

  record(owner: QuotaOwner): QuotaRecord | undefined {
    return this.#records.get(quotaKey(owner));
  }

  /** What holds for an organization. @param configured the rates of organizations without a quota */
  of(organization: bigint, configured: TierRates): EffectiveRates {
    const known = this.#resolved.get(organization);
    if (known !== undefined && known.of === configured) return known;
    const resolved = this.#resolve(organization, configured);
    this.#resolved.set(organization, resolved);
    return resolved;
  }

  /** @throws LedgerError LIMIT_EXCEEDED, and as a write */
  async set(owner: QuotaOwner, record: QuotaRecord, about: SystemWrite): Promise<void> {
    const key = quotaKey(owner);
    await this.look();
    if (!this.#records.has(key) && this.count >= QUOTAS_MAX) {
      const message = `there are ${this.count} quotas, and ${QUOTAS_MAX} are the most: put organizations into tiers`;
      const details = { field: "organization", limit: QUOTAS_MAX, actual: this.count + 1 };
      throw new LedgerError("LIMIT_EXCEEDED", message, { details });
    }
    await this.#deps.system.write([quotaOperation(key, record)], about);
    await this.look();
  }

  /** False where none was set. @throws LedgerError as a write */
  async delete(owner: QuotaOwner, about: SystemWrite): Promise<boolean> {
    const key = quotaKey(owner);
    const { statuses } = await this.#deps.system.write([quotaOperation(key, undefined)], about);
    await this.look();
    return statuses[0] === "deleted";
  }

  #resolve(organization: bigint, of: TierRates): EffectiveRates {
    const own = this.#records.get(quotaKey({ organization, tier: "" }));
    const name = own?.tier ?? "";
    const tier = name === "" ? undefined : this.record({ organization: 0n, tier: name });
    const all = this.record({ organization: 0n, tier: "" });
    const first = (quota: QuotaName, configured: number): EffectiveLimit => {
      if (own?.[quota] !== undefined) return { limit: own[quota], source: "organization" };
      if (tier?.[quota] !== undefined) return { limit: tier[quota], source: `tier:${name}` };
      if (all?.[quota] !== undefined) return { limit: all[quota], source: "global" };
      return { limit: configured, source: "configuration" };
    };
    const limits = {
      ...{ vaults: first("vaults", 0), bytes: first("bytes", 0) },
      reads: first("reads", of.reads.perSecond),
      writes: first("writes", of.writes.perSecond),
    };
    const rates = {
      reads: { ...of.reads, perSecond: limits.reads.limit },
      writes: { ...of.writes, perSecond: limits.writes.limit },
    };
    return { of, limits, rates };
  }

  /** Until nobody has asked since. */
  async #lookAgain(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      if (this.#isReplaced) this.#height = -1;
      this.#isReplaced = false;
      try {
        const height = await this.#deps.system.height();
        if (height === this.#height) continue;
        this.#records = await this.#read();
        this.#resolved = new Generations(RESOLVED_MAX);
        this.#height = height;
        this.#problem = "";
      } catch (thrown) {
        this.#tell(LedgerError.from(thrown));
      }
    }
  }

  async #read(): Promise<ReadonlyMap<string, QuotaRecord>> {
    const records = new Map<string, QuotaRecord>();
    let after: Uint8Array | undefined;
    do {
      const from = after === undefined ? {} : { after };
      const page = await this.#deps.system.list(QUOTA_PREFIX, from);
      for (const { key, value } of page.entities) records.set(key, readQuota(value));
      after = page.next;
    } while (after !== undefined);
    return records;
  }

  /** Each thing once. */
  #tell(error: LedgerError): void {
    const { message } = error;
    if (isBeforeCluster(error) || hasEnded(error) || message === this.#problem) return;
    this.#problem = message;
    this.#deps.onProblem(error);
  }
}
