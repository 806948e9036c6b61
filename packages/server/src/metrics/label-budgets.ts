/** What the labels of metrics may be: their values, or how many there are at most. */
import { ERROR_TABLE, GrpcStatus } from "@authledger/types";

/** The values that a label has, or the most that it may have. */
export type LabelBudget = readonly string[] | number;

/** More members than a cluster has: what a peer says of itself cannot make series without end. */
const MEMBERS_MAX = 64;

/** By the name of the label; a label means the same wherever it is. */
export const LABEL_BUDGETS: Readonly<Record<string, LabelBudget>> = {
  method: 128,
  code: Object.keys(GrpcStatus),
  error: Object.keys(ERROR_TABLE),
  role: ["leader", "follower", "candidate", "learner", "waiting", "removed"],
  node: MEMBERS_MAX,
  peer: MEMBERS_MAX,
  why: 32,
  outcome: 32,
  reason: 32,
  tier: 16,
  /** Buckets of histograms. */
  le: 64,
  quantile: 8,
  /** Of Node's own metrics. */
  kind: 16,
  type: 64,
  space: 32,
  version: 2,
  major: 2,
  minor: 2,
  patch: 2,
};
