/** What of a node's configuration protects it. All of it may change while the node runs. */
import { durationField, type Field, numberField } from "../config/field.js";
import type { Rate } from "./token-bucket.js";

/** Units a second that any configured rate may have. */
const RATE_MAX = 1_000_000_000;

export interface ProtectionSettings {
  readonly rateNodeReads: number;
  readonly rateNodeWrites: number;
  readonly rateClientReads: number;
  readonly rateClientWrites: number;
  readonly rateOrganizationReads: number;
  readonly rateOrganizationWrites: number;
  /** In milliseconds. */
  readonly rateBurst: number;
  /** In milliseconds, as all that follows. */
  readonly overloadTurn: number;
  readonly overloadWriteWait: number;
  readonly deadlineWrites: number;
  readonly deadlineMax: number;
  /** Calls a second. */
  readonly hotKeyRate: number;
}

export const PROTECTION_FIELDS: {
  readonly [K in keyof ProtectionSettings]: Field<ProtectionSettings[K]>;
} = {
  rateNodeReads: rate("Units of reads a second that the node answers; 0 = no limit."),
  rateNodeWrites: rate("Units of writes a second that the node takes; 0 = no limit."),
  rateClientReads: rate("Units of reads a second of one client; 0 = no limit."),
  rateClientWrites: rate("Units of writes a second of one client; 0 = no limit."),
  rateOrganizationReads: rate("Units of reads a second of an organization without a quota."),
  rateOrganizationWrites: rate("Units of writes a second of an organization without a quota."),
  rateBurst: durationField("Of a rate so much may be used at once after a pause.", {
    ...{ default: 2_000, min: 100, max: 600_000 },
  }),
  overloadTurn: durationField("What a turn of the loop may spend on calls; 0ms = no limit.", {
    ...{ default: 25, min: 0, max: 10_000 },
  }),
  overloadWriteWait: durationField("Above it fewer writes are let in; 0ms = no limit.", {
    ...{ default: 500, min: 0, max: 60_000 },
  }),
  deadlineWrites: durationField("A write with less time left is refused at once.", {
    ...{ default: 5, min: 0, max: 60_000 },
  }),
  deadlineMax: durationField("The longest deadline of a call, and that of calls without one.", {
    ...{ default: 60_000, min: 100, max: 3_600_000 },
  }),
  hotKeyRate: numberField("Calls a second from which on a key is told of; 0 = never.", {
    ...{ default: 1_000, min: 0, max: RATE_MAX },
  }),
};

function rate(doc: string): Field<number> {
  return numberField(doc, { default: 0, min: 0, max: RATE_MAX });
}

/** Of reads and of writes. */
export interface TierRates {
  readonly reads: Rate;
  readonly writes: Rate;
}

export interface RateLimits {
  readonly node: TierRates;
  readonly client: TierRates;
  readonly organization: TierRates;
}

export function rateLimitsOf(settings: ProtectionSettings): RateLimits {
  const burstSeconds = settings.rateBurst / 1000;
  const tier = (reads: number, writes: number): TierRates => ({
    reads: { perSecond: reads, burstSeconds },
    writes: { perSecond: writes, burstSeconds },
  });
  return {
    node: tier(settings.rateNodeReads, settings.rateNodeWrites),
    client: tier(settings.rateClientReads, settings.rateClientWrites),
    organization: tier(settings.rateOrganizationReads, settings.rateOrganizationWrites),
  };
}
