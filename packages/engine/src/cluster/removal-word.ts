/**
 * A node that was removed while nobody reached it hears of it from whom it reaches: perhaps from followers alone, since it does not
 * know the address of a leader that came later. Only a leader knows for certain who was removed, and confirms it first
 * (INV-GROUP-13): so a follower that such a node has reached asks its leader, once a second, and tells the node what it is answered.
 */
import type { NodeId } from "@authledger/types";
import { MEMBERS_MAX } from "./cluster-limits.js";
import { decodeMemberInfos, encodeMemberInfos, includesNode } from "./member-info.js";
import { FrameKind, type MemberInfo } from "./peer-port.js";

export interface RemovalWordDeps {
  readonly leader: () => NodeId | undefined;
  /** It leads, and has applied all that was committed before. */
  readonly isLeading: () => boolean;
  /** Who has reached this node with the cluster's id and is no member as far as is known here. */
  readonly strangers: () => readonly MemberInfo[];
  /** Those who are told that they were removed. */
  readonly told: () => readonly MemberInfo[];
  /** As leader: these were removed, which is to be confirmed. Members among them are passed over. */
  readonly note: (strangers: readonly MemberInfo[]) => void;
  /** As follower: these are told so from now on. */
  readonly tell: (removed: readonly MemberInfo[]) => void;
  readonly send: (to: NodeId, kind: FrameKind, payload: Uint8Array) => void;
}

export class RemovalWord {
  readonly #deps: RemovalWordDeps;

  constructor(deps: RemovalWordDeps) {
    this.#deps = deps;
  }

  /** Once a second. */
  care(): void {
    const { leader, isLeading, strangers, told, send } = this.#deps;
    const to = leader();
    if (to === undefined || isLeading()) return;
    const open = strangers().filter((one) => !includesNode(told(), one));
    if (open.length === 0) return;
    send(to, FrameKind.strangers, encodeMemberInfos(open.slice(0, MEMBERS_MAX)));
  }

  /** A follower asks. What is not confirmed yet is answered when it asks again. @throws LedgerError CODEC_DECODE */
  asked(from: NodeId, payload: Uint8Array): void {
    const { isLeading, note, told, send } = this.#deps;
    const strangers = decodeMemberInfos(payload);
    if (!isLeading()) return;
    note(strangers);
    const removed = strangers.filter((one) => includesNode(told(), one));
    if (removed.length > 0) send(from, FrameKind.removed, encodeMemberInfos(removed));
  }

  /** The leader's answer. @throws LedgerError CODEC_DECODE */
  answered(payload: Uint8Array): void {
    const removed = decodeMemberInfos(payload);
    this.#deps.tell(this.#deps.strangers().filter((one) => includesNode(removed, one)));
  }
}
