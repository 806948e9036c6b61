/** The node: configuration, gRPC services, metrics, lifecycle. */
export {
  type NodeConfig,
  type NodeConfigInput,
  parseNodeConfig,
} from "./config.js";
export { type NodeDeps, type RunningNode, startNode } from "./node.js";
