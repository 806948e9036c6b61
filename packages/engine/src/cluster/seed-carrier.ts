/**
 * How the log seed reaches a node that has become a voter: it asks the others, and one that has it seals it to the key that
 * the group's configuration names. Frames of kind `secret`: u8 1 asks, u8 2 and the sealed seed answer. What a peer sends or is
 * known by, and cannot be used, is its own trouble: it is told of once, and nobody stops for it.
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
  /** What was told of a peer last: it goes on asking. */
  readonly #told = new Map<NodeId, string>();

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
    try {
      const sealed = sealSecret(secrets.logSeed, member.sealKey, this.#contextOf(to), random);
      this.#node.send(to, FrameKind.secret, concatBytes(Uint8Array.of(ANSWER), sealed));
    } catch (error) {
      this.#alarm(to, `node ${to} cannot be sent the log seed`, error);
    }
  }

  #take(from: NodeId, sealed: Uint8Array): void {
    const { secrets, onFatal } = this.#deps;
    if (secrets.hasLogSeed) return;
    const wrong = `node ${from} sent a log seed that cannot be used`;
    try {
      const seed = this.#node.sealing.open(sealed, this.#contextOf(this.#node.info.nodeId));
      secrets.takeLogSeed(seed).catch((error: unknown) => {
        const failure = LedgerError.from(error);
        if (failure.code === "INVALID_ARGUMENT") this.#alarm(from, wrong, failure);
        // It is asked for again.
        else if (failure.code !== "DISK_FULL") onFatal(failure);
      });
    } catch (error) {
      this.#alarm(from, wrong, error);
    }
  }

  #alarm(node: NodeId, what: string, error: unknown): void {
    const text = `${what}: ${LedgerError.from(error).message}`;
    if (this.#told.get(node) === text) return;
    this.#told.set(node, text);
    this.#deps.onAlarm(text);
  }

  #contextOf(recipient: NodeId): SealContext {
    return { clusterId: this.#node.clusterId ?? "", recipient, purpose: "log seed" };
  }
}
