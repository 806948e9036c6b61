/**
 * Leads a node out of its doubt where nobody else can. A node that may have lost the end of its log waits for a leader to
 * compare logs with. A founder may wait in vain: its power may have been lost while it made another node a voter, and that node
 * knows nothing of it, so it never stands for election. So the node asks all members whether they vote.
 *
 *   INV-GROUP-10  A node ends its doubt by itself only when no other member can have voted: then nobody but itself has counted
 *                on what it may have lost.
 *
 * While it is in doubt it makes nobody a voter, so answers stay true, however late they come.
 */
import { ByteReader, LedgerError, type NodeId } from "@authledger/types";
import { nodesOf } from "./group-configuration.js";
import { FrameKind } from "./peer-port.js";
import type { RaftGroup } from "./raft-group.js";

const ASK = 1;
const NO = 2;
const YES = 3;

export interface VoterInquiryDeps {
  readonly group: RaftGroup;
  readonly self: NodeId;
  readonly send: (to: NodeId, kind: FrameKind, payload: Uint8Array) => void;
  readonly onAlarm: (alarm: string) => void;
  readonly onFatal: (error: LedgerError) => void;
}

export class VoterInquiry {
  readonly #deps: VoterInquiryDeps;
  /** Members that have said that they do not vote. */
  readonly #bystanders = new Set<NodeId>();
  #isEnding = false;
  #hasTold = false;

  constructor(deps: VoterInquiryDeps) {
    this.#deps = deps;
  }

  /** Asks again whom it has not heard, as long as that matters: once a second. */
  care(): void {
    const { group, send } = this.#deps;
    if (!group.isRecovering || group.leader !== undefined) return;
    const missing = this.#missing();
    if (missing.length === 0) {
      this.#end();
      return;
    }
    this.#tell(missing);
    for (const node of missing) send(node, FrameKind.voter, Uint8Array.of(ASK));
  }

  /** @throws LedgerError CODEC_DECODE */
  heard(from: NodeId, frame: Uint8Array): void {
    const { group, send } = this.#deps;
    const reader = new ByteReader(frame, "voter frame");
    const word = reader.u8("word");
    reader.end();
    if (word === ASK) {
      send(from, FrameKind.voter, Uint8Array.of(group.isBystander ? NO : YES));
    } else if (word === NO) {
      this.#bystanders.add(from);
    } else if (word === YES) {
      this.#bystanders.delete(from);
    } else {
      throw new LedgerError("CODEC_DECODE", `voter frame: ${word} is no word`);
    }
  }

  #missing(): NodeId[] {
    const { group, self } = this.#deps;
    const nodes = nodesOf(group.configuration.membership);
    // Whoever waits to be added hears of its group from a leader.
    if (!nodes.includes(self)) return [];
    return nodes.filter((node) => node !== self && !this.#bystanders.has(node));
  }

  #end(): void {
    const { group, onFatal } = this.#deps;
    const { voters } = group.configuration.membership;
    if (this.#isEnding || !voters.includes(this.#deps.self)) return;
    this.#isEnding = true;
    group
      .endDoubt()
      .catch((thrown: unknown) => {
        const error = LedgerError.from(thrown);
        // Without room it is tried again every second.
        if (error.code !== "DISK_FULL") onFatal(error);
      })
      .finally(() => {
        this.#isEnding = false;
      });
  }

  #tell(missing: readonly NodeId[]): void {
    if (this.#hasTold || !this.#deps.group.isAlone) return;
    this.#hasTold = true;
    const nodes = missing.join(", ");
    const message = `this node may have lost the end of its log while others came to vote: it waits for word of ${nodes}`;
    this.#deps.onAlarm(message);
  }
}
