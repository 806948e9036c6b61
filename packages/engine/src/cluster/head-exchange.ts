/** Frames about signed heads, to whoever they are for: the replica that cosigns, the leader that collects, the follower that asks. */
import type { Clock, Timers } from "@authledger/io";
import type { GroupState } from "@authledger/state";
import { LedgerError, type NodeId } from "@authledger/types";
import type { Signer } from "../signer.js";
import type { Contradictions } from "./contradictions.js";
import {
  type CosignRequest,
  decodeCosignReply,
  decodeCosignRequest,
  encodeCosignReply,
  encodeCosignRequest,
  type HeadAnswer,
  type HeadQuestion,
} from "./cosign-frames.js";
import { HEAD_WAIT_MS, HEADS_UNDER_WAY_MAX } from "./cosign-limits.js";
import { CosignReplica } from "./cosign-replica.js";
import type { CosignedHead } from "./cosigned-head.js";
import type { HeadCluster } from "./head-cluster.js";
import { VaultGrowth } from "./vault-growth.js";

export interface HeadExchangeDeps {
  readonly cluster: HeadCluster;
  readonly state: Pick<GroupState, "vault" | "rows">;
  readonly signer: Signer;
  readonly contradictions: Contradictions;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly soon: (run: () => void) => void;
  readonly isWhole: (vault: number) => boolean;
  readonly onHalt: (error: LedgerError) => void;
  readonly onAlarm: (alarm: string) => void;
}

export class HeadExchange {
  /** Waits for blocks here. */
  readonly growth: VaultGrowth;
  readonly #deps: HeadExchangeDeps;
  readonly #replica: CosignReplica;
  #answering = 0;

  constructor(deps: HeadExchangeDeps) {
    const { state, timers, signer } = deps;
    this.#deps = deps;
    this.growth = new VaultGrowth(state, timers);
    const { marks, keys } = signer;
    this.#replica = new CosignReplica({ ...deps, marks, keys, growth: this.growth });
  }

  /** A frame of a member. One that cannot be read is dropped: whoever sent it asks again. */
  onFrame(from: NodeId, kind: "cosignRequest" | "cosignReply", payload: Uint8Array): void {
    try {
      if (kind === "cosignRequest") this.#onRequest(from, decodeCosignRequest(payload));
      else this.#onReply(from, payload);
    } catch (error) {
      if (!(error instanceof LedgerError) || error.code !== "CODEC_DECODE") throw error;
    }
  }

  /** Called after entries were applied. */
  applied(): void {
    this.growth.applied();
  }

  /** A replica has another root than this node: it is shown what this node has signed, and keeps both. */
  otherRoot(head: CosignedHead, node: NodeId): void {
    const { cluster, onAlarm } = this.#deps;
    onAlarm(
      `node ${node} does not cosign the head of ${head.origin} of size ${head.size}: its history has another root`,
    );
    head.whenLogged((note) => {
      const { vault } = head;
      const payload = encodeCosignRequest({ type: "contradiction", vault, note });
      cluster.send(node, "cosignRequest", payload);
    });
  }

  stop(): void {
    this.growth.stop();
  }

  #onRequest(from: NodeId, request: CosignRequest): void {
    if (request.type === "sign") this.#replica.asked(from, request.heads);
    else if (request.type === "contradiction") {
      void this.#contradicted(from, request.vault, request.note);
    } else for (const question of request.questions) void this.#answer(from, question);
  }

  #onReply(from: NodeId, payload: Uint8Array): void {
    const { signer } = this.#deps;
    const reply = decodeCosignReply(payload);
    if (reply.type === "answers") signer.collecting?.answered(from, reply.answers);
    else signer.asking?.answered(reply.heads);
  }

  /** A follower wants a head; nobody answers while this node does not lead, and it asks the one who does. */
  async #answer(from: NodeId, question: HeadQuestion): Promise<void> {
    const { cluster } = this.#deps;
    if (!cluster.isLeading() || this.#answering >= HEADS_UNDER_WAY_MAX) return;
    this.#answering++;
    try {
      const result = await this.#headFor(question).catch(failed);
      // As one that does not lead: the next leader will have the head, and the follower goes on asking.
      if (cluster.stateProblem() !== undefined) return;
      const heads: HeadAnswer[] = [{ id: question.id, result }];
      cluster.send(from, "cosignReply", encodeCosignReply({ type: "heads", heads }));
    } finally {
      this.#answering--;
    }
  }

  async #headFor({
    vault: id,
    minSize,
    cosignatures,
  }: HeadQuestion): Promise<HeadAnswer["result"]> {
    const { state, signer } = this.#deps;
    await this.growth.until(id, minSize, HEAD_WAIT_MS);
    const vault = state.vault(id);
    if (vault === undefined) throw new LedgerError("VAULT_NOT_FOUND", "there is no such vault");
    const { size, timeMs, note } = await signer.request(vault, cosignatures).signed;
    return { kind: "head", size, timeMs, note };
  }

  async #contradicted(from: NodeId, id: number, note: string): Promise<void> {
    const { state, contradictions, cluster, onAlarm } = this.#deps;
    // Judged by a history that is wrong here the other's would pass for a lie.
    if (cluster.stateProblem() !== undefined) return;
    try {
      const vault = state.vault(id);
      if (vault === undefined) return;
      const { judgement, isNew, own } = await contradictions.judge(vault, note, `node ${from}`);
      if (judgement !== "contradiction" || !isNew || own === "") return;
      // The other side keeps ours as we keep theirs; it shows nothing back when it has it already.
      const payload = encodeCosignRequest({ type: "contradiction", vault: id, note: own });
      cluster.send(from, "cosignRequest", payload);
    } catch (error) {
      const { code, message } = LedgerError.from(error);
      const isSaid = code === "PROOF_INVALID" || cluster.stateProblem() !== undefined;
      if (!isSaid) onAlarm(`evidence could not be kept: ${message}`);
    }
  }
}

function failed(error: unknown): HeadAnswer["result"] {
  const { code, message } = LedgerError.from(error);
  return { kind: "failed", code, message };
}
