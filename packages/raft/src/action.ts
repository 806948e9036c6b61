/** What the core asks its owner to do, in order. */
import type { NodeId } from "@authledger/types";
import type { Membership } from "./configuration.js";
import type { Entry, SnapshotMeta } from "./log.js";
import type { HardState, Message } from "./message.js";

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

export type Action =
  /**
   * One batch for the disk, in the order of the numbers. What is in it is seen by `LogReader` from now on. `whenDurable` leaves
   * only when it is durable; the owner tells so by `durable`.
   */
  | {
      readonly kind: "append";
      readonly append: number;
      /** Term and vote, where they changed. */
      readonly hardState: HardState | undefined;
      /** Entries from here on are gone; above the commit index. */
      readonly truncateFrom: number | undefined;
      readonly entries: readonly Entry[];
      /** The log begins anew behind this, which the owner has received and verified. */
      readonly snapshot: SnapshotMeta | undefined;
      readonly whenDurable: readonly Message[];
      /**
       * False where it holds no more than a commit index: that needs no sync of its own, and counts as durable as soon
       * as all appends before it are.
       */
      readonly mustSync: boolean;
    }
  /** May leave now. */
  | { readonly kind: "send"; readonly message: Message }
  /** Entries of `[from, to]` are committed and durable here: apply them in order. */
  | { readonly kind: "apply"; readonly from: number; readonly to: number }
  | {
      readonly kind: "proposed";
      readonly proposal: number;
      readonly index: number;
      readonly term: number;
    }
  | { readonly kind: "dropped"; readonly proposal: number; readonly why: DropReason }
  /** The read may be answered from a state that has applied `index`. */
  | { readonly kind: "read-ready"; readonly context: number; readonly index: number }
  | { readonly kind: "read-dropped"; readonly context: number; readonly why: DropReason }
  /** The follower needs a state of at least this index; ends in the event `snapshot-sent`. */
  | { readonly kind: "send-snapshot"; readonly to: NodeId; readonly index: number }
  | { readonly kind: "membership"; readonly index: number; readonly membership: Membership }
  | {
      readonly kind: "role";
      readonly role: Role;
      readonly term: number;
      readonly leader: NodeId | undefined;
    }
  /** The node has all again that it may have lost: it votes from now on. */
  | { readonly kind: "recovered" }
  /** A transfer of the leadership ended without having happened. */
  | { readonly kind: "transfer-failed"; readonly to: NodeId };

/** Why something was not done: provably nothing of it happened. */
export type DropReason =
  | "not-leader"
  | "no-leader"
  | "transferring"
  | "too-many-uncommitted"
  | "too-many-unapplied"
  | "too-many-reads"
  | "change-pending"
  | "not-joint"
  | "is-joint"
  | "invalid-change"
  | "removed"
  | "recovering"
  | "term-ended";
