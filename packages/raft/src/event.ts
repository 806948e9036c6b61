/** What can happen to the core. */
import type { NodeId } from "@authledger/types";
import type { ConfigurationChange } from "./configuration.js";
import type { Message } from "./message.js";

export type Event =
  | { readonly kind: "message"; readonly message: Message }
  /** One unit of time has passed. */
  | { readonly kind: "tick" }
  /**
   * The owner's loop was held, or is about to be, for longer than heartbeats are apart: a leader sends them now. It is no
   * passing of time, so that nobody is given up for what arrived meanwhile and was not heard yet.
   */
  | { readonly kind: "beat" }
  /** End of a turn of the owner's loop: one round goes out for all reads that wait, and who has not heard of a commit is told. */
  | { readonly kind: "turn" }
  /** Entries to append, in order, all or none; `proposal` names them in the actions `proposed` and `dropped`. */
  | {
      readonly kind: "propose";
      readonly proposal: number;
      readonly payloads: readonly Uint8Array[];
    }
  | {
      readonly kind: "propose-change";
      readonly proposal: number;
      readonly change: ConfigurationChange;
    }
  /** A linearizable read; ends in `read-ready` or `read-dropped` of the same context, which is never used twice. */
  | { readonly kind: "read"; readonly context: number }
  /** The `append` action of this number is durable, with all before it. */
  | { readonly kind: "durable"; readonly append: number }
  /** Everything up to here is applied. */
  | { readonly kind: "applied"; readonly index: number }
  /** The owner applies a configuration entry; ends in `membership`. Comes before `applied` of its index. */
  | { readonly kind: "apply-change"; readonly index: number; readonly change: ConfigurationChange }
  /** Messages to this node may have been lost. */
  | { readonly kind: "unreachable"; readonly node: NodeId }
  /** A snapshot that `send-snapshot` asked for was delivered, or was not. */
  | { readonly kind: "snapshot-sent"; readonly node: NodeId; readonly ok: boolean }
  | { readonly kind: "transfer"; readonly to: NodeId }
  /** Start an election now, as if the timeout had passed. */
  | { readonly kind: "campaign" }
  /**
   * Whether the node may not vote, since it may have lost what it acknowledged (storage.md). The core ends this by itself,
   * with the action `recovered`; false ends it by the owner's decision.
   */
  | { readonly kind: "recovering"; readonly isRecovering: boolean };
