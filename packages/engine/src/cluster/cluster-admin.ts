/** What an operator asks of a node about its cluster. A node without an address for peers is a cluster of itself. */
import { LedgerError } from "@authledger/types";
import type { NodeIdentity } from "../node-directory.js";
import type { ClusterStatus } from "./cluster-calls.js";
import type { MemberInfo } from "./peer-port.js";

export interface ClusterAdminDeps {
  readonly identity: () => NodeIdentity;
  readonly clusterId: () => string | undefined;
  readonly term: () => number;
  readonly lastIndex: () => number;
  readonly appliedIndex: () => number;
}

export class ClusterAdmin {
  readonly #deps: ClusterAdminDeps;

  constructor(deps: ClusterAdminDeps) {
    this.#deps = deps;
  }

  status(): ClusterStatus {
    const { nodeId, incarnation } = this.#deps.identity();
    const clusterId = this.#deps.clusterId();
    const none = new Uint8Array(0);
    const info: MemberInfo = {
      nodeId,
      incarnation,
      name: "",
      peerAddress: "",
      clientAddress: "",
      cosignKey: none,
      sealKey: none,
    };
    return {
      nodeId,
      name: info.name,
      ...(clusterId !== undefined && { clusterId }),
      role: "leader",
      term: this.#deps.term(),
      leader: nodeId,
      commitIndex: this.#deps.appliedIndex(),
      appliedIndex: this.#deps.appliedIndex(),
      lastIndex: this.#deps.lastIndex(),
      isJoint: false,
      isRecovering: false,
      members: [{ info, role: "voter" }],
    };
  }

  /** @throws LedgerError NOT_CLUSTERED */
  refuse(): never {
    throw new LedgerError("NOT_CLUSTERED", "this node has no address for peers");
  }
}
