/** What kind of call a method is: what is logged, sampled and audited goes by it. */
import type { MethodInfo } from "./method.js";

/** `administration` changes something that is not the data of a vault. */
export type CallClass = "read" | "write" | "administration";

const WRITES: ReadonlySet<string> = new Set(["WriteService"]);
/** Services of administration; what they only tell is a read. */
const ADMINISTRATION: ReadonlySet<string> = new Set([
  "AdminService",
  "ClusterService",
  "ModelService",
  "IamService",
]);
/** Calls of nodes to each other: what they carry is audited already. */
const OF_NODES: ReadonlySet<string> = new Set(["recordAudit"]);
/** What they answer is known to a node that can read nothing of what is stored. */
const OF_THE_NODE: ReadonlySet<string> = new Set(["getClusterStatus", "getPeers"]);
const TELLS = /^(get|list|validate|diff|watch|whoAmI|whoami|explain|describe)/;

/** By the method's name, so that a call that is added later is audited unless its name says that it only tells. */
export function callClassOf({ service, name }: MethodInfo): CallClass {
  if (WRITES.has(service) || OF_NODES.has(name)) return "write";
  return ADMINISTRATION.has(service) && !TELLS.test(name) ? "administration" : "read";
}

/** Does a call ask for the node and its cluster alone? */
export function tellsOfNode({ service, name }: MethodInfo): boolean {
  return service === "ClusterService" && OF_THE_NODE.has(name);
}

/** Does a call get a record of its own? What erases takes from the history for ever, and is done for the law. */
export function isAudited(method: MethodInfo): boolean {
  const isErasure = method.service === "WriteService" && method.name === "erase";
  return isErasure || callClassOf(method) === "administration";
}
