/** Which node of a cluster is best asked, by the call. Any other one answers too; it may have to pass the call on. */
import { type admin, cluster } from "@authledger/proto";

/**
 * `leader`: writes, and reads that must see every write: no node has to ask another one. `replica`: reads that may be
 * as old as the caller said. `node`: calls that are about the node that answers.
 */
export type Route = "leader" | "replica" | "node";

type NodeCalls = keyof admin.AdminServiceService;

const ABOUT_A_NODE: readonly NodeCalls[] = [
  "getNodeInfo",
  "compact",
  "checkIntegrity",
  "exportSnapshot",
];
const NODE_PATHS: ReadonlySet<string> = new Set(
  ABOUT_A_NODE.map(
    (name) => `/authledger.v1.AdminService/${name[0]!.toUpperCase()}${name.slice(1)}`,
  ),
);
/** Of services that change nothing. */
const READS: readonly string[] = [
  "/authledger.v1.ReadService/",
  "/authledger.v1.AuthorizationService/",
];
const { getClusterStatus, getPeers } = cluster.ClusterServiceService;
const STATUS_PATH = getClusterStatus.path;
const PEERS_PATH = getPeers.path;

export function routeOf(path: string, request: unknown): Route {
  if (NODE_PATHS.has(path) || path === PEERS_PATH) return "node";
  if (path === STATUS_PATH) {
    return (request as cluster.GetClusterStatusRequest).atLeader ? "leader" : "node";
  }
  const { consistency } = request as { readonly consistency?: { readonly requirement?: unknown } };
  const { $case: wanted } = (consistency?.requirement ?? {}) as { readonly $case?: string };
  return wanted === undefined || wanted === "linearizable" ? "leader" : "replica";
}

/** Does the call only read? Nothing of it is passed on to the leader, and it may be asked of two nodes. */
export function isRead(path: string): boolean {
  return READS.some((service) => path.startsWith(service));
}
