/** Roles in the order of what they may: a call passes when the caller's rank is at least the one that it needs. */
import type { ClusterRole, TenantRole } from "./role-names.js";

export const RANK = {
  none: 0,
  reader: 1,
  writer: 2,
  manager: 3,
  operator: 3,
  administrator: 4,
} as const;

export type Rank = (typeof RANK)[keyof typeof RANK];

type Ranks<R> = readonly (readonly [relation: R, rank: Rank])[];

/** The highest first. Ranks of the cluster are not compared with those of tenants. */
export const RANKS_BY_OBJECT: {
  readonly cluster: Ranks<ClusterRole>;
  readonly tenant: Ranks<TenantRole>;
} = {
  cluster: [
    ["administrator", RANK.administrator],
    ["operator", RANK.operator],
  ],
  tenant: [
    ["administrator", RANK.administrator],
    ["manager", RANK.manager],
    ["writer", RANK.writer],
    ["reader", RANK.reader],
  ],
};

/** The role of a rank, as people know it. */
export function rankName(rank: Rank, isCluster: boolean): string {
  const ranks: Ranks<string> = RANKS_BY_OBJECT[isCluster ? "cluster" : "tenant"];
  return ranks.find(([, of]) => of === rank)?.[0] ?? "anything";
}
