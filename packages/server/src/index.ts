/** The node: configuration, gRPC services, metrics, lifecycle. */
export {
  type NodeConfig,
  type NodeConfigInput,
  parseNodeConfig,
} from "./config.js";
export { createLogger, LOG_LEVELS, type LogLevel } from "./logger.js";
export { type NodeDeps, type RunningNode, startNode } from "./node.js";
