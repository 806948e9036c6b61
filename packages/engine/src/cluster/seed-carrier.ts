/**
 * How the log seed reaches a node that has become a voter: it asks the others, and one that has it seals it to the key that
 * the group's configuration names. Frames of kind `secret`: u8 1 asks, u8 2 and the sealed seed answer.
 */
import type { Random } from "@authledger/io";
import { concatBytes, LedgerError, type NodeId } from "@authledger/types";
import type { DirectorySecrets } from "../node-directory.js";
import type { ClusterNode } from "./cluster-node.js";
import { FrameKind } from "./peer-port.js";
import type { RaftGroup } from "./raft-group.js";
import { type SealContext, sealSecret } from "./sealed-secret.js";

const ASK = 1;
const ANSWER = 2;

export interface SeedCarrierDeps {
  readonly group: RaftGroup;
  readonly secrets: DirectorySecrets;
  readonly random: Random;
  readonly onAlarm: (alarm: string) => void;
  readonly onFatal: (error: LedgerError) => void;
}

export class SeedCarrier {
  readonly #node: ClusterNode;
  readonly #deps: SeedCarrierDeps;

  constructor(node: ClusterNode, deps: SeedCarrierDeps) {
    this.#node = node;
    this.#deps = deps;
    node.on(FrameKind.secret, (from, payload) => this.#onFrame(from, payload));
  }

  /** Asks for a seed that this voter lacks: the leader, or everybody where there is none but this node. */
  care(): void {
    const { group, secrets } = this.#deps;
    const own = this.#node.info.nodeId;
    if (secrets.hasLogSeed || !this.#isVoter(own)) return;
    const { leader } = group;
    const isOther = leader !== undefined && leader !== own;
    const asked = isOther ? [leader] : group.configuration.membership.voters;
    for (const voter of asked) {
      if (voter !== own) this.#node.send(voter, FrameKind.secret, Uint8Array.of(ASK));
    }
  }

  #isVoter(node: NodeId): boolean {
    return this.#deps.group.configuration.membership.voters.includes(node);
  }

  #onFrame(from: NodeId, payload: Uint8Array): void {
    if (!this.#isVoter(from)) return;
    if (payload[0] === ASK) this.#answer(from);
    else if (payload[0] === ANSWER) this.#take(from, payload.subarray(1));
  }

  #answer(to: NodeId): void {
    const { group, secrets, random } = this.#deps;
    const member = group.configuration.members.find(({ nodeId }) => nodeId === to);
    if (!secrets.hasLogSeed || member === undefined) return;
    const sealed = sealSecret(secrets.logSeed, member.sealKey, this.#contextOf(to), random);
    this.#node.send(to, FrameKind.secret, concatBytes(Uint8Array.of(ANSWER), sealed));
  }

  #take(from: NodeId, sealed: Uint8Array): void {
    const { secrets, onAlarm, onFatal } = this.#deps;
    if (secrets.hasLogSeed) return;
    try {
      const seed = this.#node.sealing.open(sealed, this.#contextOf(this.#node.info.nodeId));
      secrets.takeLogSeed(seed).catch((error: unknown) => {
        const failure = LedgerError.from(error);
        // It is asked for again.
        if (failure.code !== "DISK_FULL") onFatal(failure);
      });
    } catch (error) {
      const { message } = LedgerError.from(error);
      onAlarm(`node ${from} sent a log seed that cannot be opened: ${message}`);
    }
  }

  #contextOf(recipient: NodeId): SealContext {
    return { clusterId: this.#node.clusterId ?? "", recipient, purpose: "log seed" };
  }
}
