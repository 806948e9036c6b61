/**
 * Where clients find the nodes of a cluster (L-148), with a version: who has the answer of a version is told that it still holds.
 * The version is the content's own, so all nodes that know the same say the same one, and it changes with every word of the answer.
 * How far members are and how they are reached is not in it: that changes always, and GetClusterStatus tells it.
 */
import { createHash } from "node:crypto";
import type { ClusterStatus } from "@authledger/engine";
import { cluster } from "@authledger/proto";
import { equalBytes } from "@authledger/types";
import { MEMBER_ROLES } from "./cluster-roles.js";
import { API_VERSION_NEWEST, API_VERSION_OLDEST } from "./gate/version.js";

const VERSION_BYTES = 16;
const EMPTY = new Uint8Array(0);

/** @param known the version that the client has; any other, and none, gets the whole answer */
export function peersMessage(status: ClusterStatus, known: Uint8Array): cluster.GetPeersResponse {
  const whole: cluster.GetPeersResponse = {
    ...{ version: EMPTY, isUnchanged: false, clusterId: status.clusterId ?? "" },
    leaderId: status.leader ?? 0n,
    peers: status.members.map(({ info, role }) => ({
      ...{ nodeId: info.nodeId, name: info.name, clientAddress: info.clientAddress },
      role: MEMBER_ROLES[role],
    })),
    ...{ apiVersionOldest: API_VERSION_OLDEST, apiVersionNewest: API_VERSION_NEWEST },
  };
  const bytes = cluster.GetPeersResponse.encode(whole).finish();
  const digest = createHash("sha256").update(bytes).digest();
  const version = Uint8Array.from(digest.subarray(0, VERSION_BYTES));
  if (!equalBytes(version, known)) return { ...whole, version };
  return cluster.GetPeersResponse.create({ version, isUnchanged: true });
}
