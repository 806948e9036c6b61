/** Everything of a node about signed heads, put together: who signs, who is asked, what is kept when heads contradict each other. */
import type { Clock, Random, Timers } from "@authledger/io";
import type { GroupState } from "@authledger/state";
import { type Hasher, LedgerError } from "@authledger/types";
import type { Wal } from "@authledger/wal";
import { GROUP } from "../group-id.js";
import { memberKey } from "../head-keys.js";
import { type NodeDirectory, replicaName } from "../node-directory.js";
import type { EngineReply, EngineRequest } from "../port.js";
import { Signer } from "../signer.js";
import type { ClusterNode } from "./cluster-node.js";
import { Contradictions } from "./contradictions.js";
import { COSIGN_APPLY_WAIT_MS, COSIGN_RESEND_MS } from "./cosign-limits.js";
import type { EvidenceStore } from "./evidence-store.js";
import { GiveAway } from "./give-away.js";
import type { HeadCluster } from "./head-cluster.js";
import { HeadExchange } from "./head-exchange.js";
import { FrameKind, type MemberInfo } from "./peer-port.js";
import type { RaftGroup } from "./raft-group.js";
import { VaultPolicies } from "./vault-policies.js";

export interface NodeHeadsDeps {
  readonly group: RaftGroup;
  readonly node: NodeDirectory;
  readonly wal: Wal;
  readonly state: Pick<GroupState, "vault" | "rows" | "tables">;
  readonly evidence: EvidenceStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: Hasher;
  /** Runs something at the end of the turn. */
  readonly soon: (run: () => void) => void;
  /** Absent where this node is the only replica for good: it has no address for peers. */
  readonly clusterNode?: (() => ClusterNode | undefined) | undefined;
  /** Whose cosignatures new vaults need. */
  readonly cosigners: () => readonly MemberInfo[];
  readonly isWhole: (vault: number) => boolean;
  /** Why nothing is signed here, whatever vault (INV-REPLICA-11). */
  readonly stateProblem: () => LedgerError | undefined;
  /** Gives the leadership to another node, if one can take it. */
  readonly handOver: () => Promise<void>;
  readonly onHalt: (error: LedgerError) => void;
  readonly onAlarm: (alarm: string) => void;
}

export class NodeHeads {
  readonly evidence: EvidenceStore;
  readonly signer: Signer;
  readonly policies: VaultPolicies;
  readonly contradictions: Contradictions;
  /** Absent where this node is the only replica. */
  readonly exchange: HeadExchange | undefined;

  readonly #deps: NodeHeadsDeps;
  readonly #giveAways = new GiveAway();

  constructor(deps: NodeHeadsDeps) {
    this.#deps = deps;
    this.evidence = deps.evidence;
    const { node, state, hasher, timers, random } = deps;
    const cluster = this.#cluster();
    this.policies = new VaultPolicies(state, hasher);
    const policies: VaultPolicies["needed"] = (vault) => this.policies.needed(vault);
    const together = cluster && {
      ...{ cluster, timers, random, policies },
      cosigners: () => deps.cosigners().map((member) => memberKey(hasher, member)),
      vault: (id: number) => state.vault(id),
      onOtherRoot: (...args: Parameters<HeadExchange["otherRoot"]>) =>
        this.exchange?.otherRoot(...args),
      onAhead: (origin: string, aheadMs: number) => this.#giveAway(origin, aheadMs),
    };
    const name = replicaName(node.identity);
    this.signer = new Signer(GROUP, name, node.secrets, { ...deps, together });
    const { signer } = this;
    this.contradictions = new Contradictions({ ...deps, signer, policies });
    const { contradictions } = this;
    this.exchange = cluster && new HeadExchange({ ...deps, cluster, signer, contradictions });
  }

  /** Takes the frames about heads of a node's peers. */
  listen(node: ClusterNode | undefined): void {
    const { exchange } = this;
    if (node === undefined || exchange === undefined) return;
    for (const kind of ["cosignRequest", "cosignReply"] as const) {
      node.on(FrameKind[kind], (from, payload) => exchange.onFrame(from, kind, payload));
    }
  }

  /** Called after entries were applied, or a whole state was put in place. */
  applied(): void {
    this.tick();
    this.exchange?.applied();
  }

  /** Called once a second too: a doubt may end while nothing is applied. */
  tick(): void {
    this.signer.marks.noteDoubt(this.#deps.clock.nowMs());
  }

  /** Nobody waits for heads any longer. */
  stop(): void {
    this.signer.stop();
    this.exchange?.stop();
  }

  /** Who votes, while this node leads and no change is half done or under way; all have told what they are. */
  settledVoters(): readonly MemberInfo[] | undefined {
    const { group, clusterNode } = this.#deps;
    if (clusterNode === undefined || !group.isReady || group.isChanging) return undefined;
    const { membership, members } = group.configuration;
    const voters = members.filter(({ nodeId }) => membership.voters.includes(nodeId));
    const isSettled =
      membership.outgoing.length === 0 && voters.length === membership.voters.length;
    return isSettled ? voters : undefined;
  }

  #cluster(): HeadCluster | undefined {
    const { group, node, clusterNode, stateProblem } = this.#deps;
    if (clusterNode === undefined) return undefined;
    return {
      stateProblem,
      self: node.identity.nodeId,
      // A single voter whose log has no room still answers for itself.
      isLeading: () => group.isReady || group.hasLocalReads,
      leader: () => group.leader,
      voters: () => {
        const { membership, members } = group.configuration;
        const voters = [...membership.voters, ...membership.outgoing];
        return members.filter(({ nodeId }) => voters.includes(nodeId));
      },
      clockProblem: () => clusterNode()?.clocks.problem,
      isInDoubt: () => group.isRecovering,
      send: (to, kind, payload) => void clusterNode()?.send(to, FrameKind[kind], payload),
    };
  }

  /** Nobody cosigns this node's heads until its clock has caught up; those of any other leader they do. */
  #giveAway(origin: string, aheadMs: number): void {
    const { group, clock, soon, handOver, onAlarm } = this.#deps;
    if (!this.#giveAways.isDue(clock.monotonicMs(), group.term, aheadMs)) return;
    onAlarm(
      `this node has signed a head of ${origin}, or may have, with a time ${Math.round(aheadMs)} ms ahead of its clock, which was set back: another node is to lead`,
    );
    soon(handOver);
  }

  /** Resolves when a vault has so many blocks here. @throws LedgerError STALE_REPLICA when that takes too long */
  async untilSize(vault: number, size: number): Promise<void> {
    const hasGrown = (await this.exchange?.growth.until(vault, size, COSIGN_APPLY_WAIT_MS)) ?? true;
    if (hasGrown) return;
    const message = `this node has not applied the ${size} blocks that the newest signed head covers`;
    throw new LedgerError("STALE_REPLICA", message, { retryAfterMs: COSIGN_RESEND_MS });
  }

  /** A client shows a signed head. @throws LedgerError PROOF_INVALID when nobody of the vault has signed it */
  async report({
    vault: id,
    checkpoint,
  }: EngineRequest<"report_checkpoint">): Promise<EngineReply<"report_checkpoint">> {
    const vault = this.#deps.state.vault(id);
    if (vault === undefined) throw new LedgerError("VAULT_NOT_FOUND", "there is no such vault");
    const { judgement } = await this.contradictions.judge(vault, checkpoint, "client");
    return { judgement };
  }
}
