/**
 * Who votes, as plain data. Joint consensus as etcd's ConfChangeV2 (dissertation, section 4.3); a membership is what
 * follows from all changes that were applied.
 */
import type { NodeId } from "@authledger/types";

/** Lists are sorted and without doubles. */
export interface Membership {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  /** Voters of the outgoing configuration while a change is joint; else empty. */
  readonly outgoing: readonly NodeId[];
  /** Outgoing voters that become learners when the joint configuration is left. */
  readonly learnersNext: readonly NodeId[];
  /** The leader leaves the joint configuration by itself. */
  readonly autoLeave: boolean;
}

export interface MemberChange {
  readonly action: "add-voter" | "add-learner" | "remove" | "update";
  readonly node: NodeId;
}

/** What a configuration entry holds. Without changes it leaves a joint configuration. */
export interface ConfigurationChange {
  /** "auto": joint only when more than one voter changes, and left by itself; see etcd's ConfChangeTransition. */
  readonly transition: "auto" | "joint-implicit" | "joint-explicit";
  readonly changes: readonly MemberChange[];
  /** Opaque to the core: what the owner wants to know of the members. */
  readonly context: Uint8Array;
}
