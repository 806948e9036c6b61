/** Everything of a node about signed heads, put together: who signs, who is asked, what is kept when heads contradict each other. */
import type { Clock, Timers } from "@authledger/io";
import type { GroupState } from "@authledger/state";
import type { GroupId, Hasher, LedgerError } from "@authledger/types";
import type { Wal } from "@authledger/wal";
import { memberKey } from "../head-keys.js";
import { type NodeDirectory, replicaName } from "../node-directory.js";
import { Signer } from "../signer.js";
import { Contradictions } from "./contradictions.js";
import type { EvidenceStore } from "./evidence-store.js";
import type { HeadCluster } from "./head-cluster.js";
import { HeadExchange } from "./head-exchange.js";
import type { MemberInfo } from "./peer-port.js";
import { VaultPolicies } from "./vault-policies.js";

export interface NodeHeadsDeps {
  readonly group: GroupId;
  readonly node: NodeDirectory;
  readonly wal: Wal;
  readonly state: Pick<GroupState, "vault" | "rows" | "tables">;
  readonly evidence: EvidenceStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hasher: Hasher;
  /** Runs something at the end of the turn. */
  readonly soon: (run: () => void) => void;
  /** Absent where this node is the only replica. */
  readonly cluster?: HeadCluster | undefined;
  /** Whose cosignatures new vaults need. */
  readonly cosigners: () => readonly MemberInfo[];
  readonly isWhole: (vault: number) => boolean;
  readonly onRefused: (error: LedgerError) => void;
  readonly onAlarm: (alarm: string) => void;
}

export class NodeHeads {
  readonly signer: Signer;
  readonly policies: VaultPolicies;
  readonly contradictions: Contradictions;
  /** Absent where this node is the only replica. */
  readonly exchange: HeadExchange | undefined;

  constructor(deps: NodeHeadsDeps) {
    const { group, node, state, cluster, hasher, timers } = deps;
    this.policies = new VaultPolicies(state, hasher);
    const policies: VaultPolicies["needed"] = (vault) => this.policies.needed(vault);
    const together = cluster && {
      ...{ cluster, timers, policies },
      cosigners: () => deps.cosigners().map((member) => memberKey(hasher, member)),
      vault: (id: number) => state.vault(id),
      onOtherRoot: (...args: Parameters<HeadExchange["otherRoot"]>) =>
        this.exchange?.otherRoot(...args),
    };
    const name = replicaName(node.identity);
    this.signer = new Signer(group, name, node.secrets, { ...deps, together });
    const { signer } = this;
    this.contradictions = new Contradictions({ ...deps, signer, policies });
    const { contradictions } = this;
    this.exchange = cluster && new HeadExchange({ ...deps, cluster, signer, contradictions });
  }
}
