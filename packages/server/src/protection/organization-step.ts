/** What an organization may do a second, after the roles have let the call pass: see rate-step.ts. */
import type { GateStep } from "../gate/gate.js";
import type { GatedCall } from "../gate/gated-call.js";
import { BucketTable } from "./bucket-table.js";
import type { TierRates } from "./protection-config.js";
import { rateLimited } from "./rate-step.js";
import type { Refusals } from "./refusals.js";
import { taken, waitMs } from "./token-bucket.js";

export interface OrganizationStepDeps {
  /** The rates of an organization as they are now. */
  readonly ratesOf: (organization: bigint) => TierRates;
  readonly refusals: Refusals;
}

export class OrganizationStep implements GateStep {
  readonly #deps: OrganizationStepDeps;
  readonly #organizations = new BucketTable<bigint>();

  constructor(deps: OrganizationStepDeps) {
    this.#deps = deps;
  }

  /** @throws LedgerError RATE_LIMITED */
  enter(call: GatedCall): void {
    const { charge, units, target } = call;
    const organization = target.organization ?? 0n;
    if (charge === undefined || charge.isReserved || organization === 0n) return;
    const isWrite = charge.kind === "write";
    const rates = this.#deps.ratesOf(organization);
    const rate = isWrite ? rates.writes : rates.reads;
    if (rate.perSecond === 0) return;
    const nowMs = performance.now();
    const field = isWrite ? "writes" : "reads";
    const buckets = this.#organizations.of(organization);
    const wait = waitMs(buckets[field], rate, units, nowMs);
    if (wait > 0) {
      this.#deps.refusals.count("rate_organization");
      throw rateLimited({ tier: "organization", rate, call, wait });
    }
    buckets[field] = taken(buckets[field], rate, units, nowMs);
  }
}
