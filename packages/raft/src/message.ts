/** What the nodes of a group say to each other. Plain data; `codec/` makes bytes of it. */
import type { NodeId } from "@authledger/types";
import type { Entry, SnapshotMeta } from "./log.js";

/** Must be durable before any message that depends on it. */
export interface HardState {
  readonly term: number;
  readonly vote: NodeId | undefined;
  /** A hint: needs no sync of its own. */
  readonly commit: number;
}

interface Header {
  readonly from: NodeId;
  readonly to: NodeId;
  /** 0 for `transfer` and `read`, which belong to no term. */
  readonly term: number;
}

export type Message = Header &
  (
    | {
        readonly type: "append";
        /** Index and term of the entry before `entries`. */
        readonly index: number;
        readonly logTerm: number;
        readonly entries: readonly Entry[];
        readonly commit: number;
      }
    | {
        readonly type: "append-response";
        /** Accepted: the last index that is known to match. Rejected: the `index` that was refused. */
        readonly index: number;
        readonly reject: boolean;
        /** Where the logs may agree, and the term there; 0 and 0 unless rejected. */
        readonly hint: number;
        readonly logTerm: number;
        /** The sender may have lost what it acknowledged before: this does not count for a commit. */
        readonly isRecovering: boolean;
      }
    | {
        readonly type: "heartbeat";
        readonly commit: number;
        /** Number of the read round; never used twice in a term. 0 = none. */
        readonly round: number;
      }
    | { readonly type: "heartbeat-response"; readonly round: number }
    | {
        readonly type: "vote" | "pre-vote";
        /** The candidate's last entry. */
        readonly index: number;
        readonly logTerm: number;
        /** The leader asked for this election: stickiness does not apply. */
        readonly isTransfer: boolean;
      }
    | {
        readonly type: "vote-response" | "pre-vote-response";
        readonly reject: boolean;
        /**
         * What the sender knows to be committed, and the term there (0 and 0 with a vote of an older version). A candidate behind
         * on changes of the configuration may ask a node that is no voter any more, and wait for it for ever.
         */
        readonly commit: number;
        readonly commitTerm: number;
      }
    | { readonly type: "snapshot"; readonly snapshot: SnapshotMeta }
    /** Start an election at once. The target's log must reach the entry named, durably. */
    | { readonly type: "timeout-now"; readonly index: number; readonly logTerm: number }
    /** To the leader: give the leadership to `target`. */
    | { readonly type: "transfer"; readonly target: NodeId }
    /** To the leader, and back: the index that a read of a follower must wait for. */
    | {
        readonly type: "read";
        readonly context: number;
        /** Asks how far the log must reach before the sender may vote again. */
        readonly isRecovering: boolean;
      }
    | {
        readonly type: "read-response";
        readonly context: number;
        readonly index: number;
        readonly reject: boolean;
      }
  );

export type MessageType = Message["type"];
