/**
 * Which version of Authledger the members speak, as they said when they connected, and what may be proposed while some are older.
 *
 *   INV-PEER-6  An entry that a member does not understand is not proposed while that member was last heard of with a
 *               version that does not: it would stop there, and a majority of such members stops the cluster.
 *
 * A member that was not heard of since this node began to lead is down: if it is old, it stops alone when it is back, and says
 * which entry it does not know (UNKNOWN_OP_CODE). So a node that is down keeps nobody from anything.
 */
import { LedgerError, type NodeId } from "@authledger/types";
import type { MemberInfo } from "./peer-port.js";

/** The newest version of what nodes say and write to each other that this code knows, and the oldest that it understands. */
export const PEER_PROTOCOL_VERSION = 2;
export const PEER_PROTOCOL_VERSION_OLDEST = 1;

/** What came after the oldest version, and with which. */
const SINCE = { erasure: 2, suspension: 2 } as const;

export type NewEntry = keyof typeof SINCE;

export class PeerVersions {
  readonly #heard = new Map<NodeId, number>();

  /** @param version absent where a transport does not say it: this node's own */
  heard(node: NodeId, version: number = PEER_PROTOCOL_VERSION): void {
    this.#heard.set(node, version);
  }

  /** @throws LedgerError UPGRADE_UNFINISHED naming the members that do not understand it */
  require(what: NewEntry, members: readonly MemberInfo[]): void {
    const needed = SINCE[what];
    const old = members.filter(({ nodeId }) => (this.#heard.get(nodeId) ?? needed) < needed);
    if (old.length === 0) return;
    const names = old.map(({ name, nodeId }) => (name === "" ? String(nodeId) : name));
    const message = `the nodes ${names.join(", ")} run a version that does not know ${what}`;
    throw new LedgerError("UPGRADE_UNFINISHED", message, {
      details: { needs: needed, nodes: names.join(", ") },
    });
  }
}
