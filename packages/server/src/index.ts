/** The node: configuration, gRPC services, metrics, lifecycle. */
export { issuerOfText } from "./authn/auth-settings.js";
export { BoundedLines } from "./call-log/bounded-lines.js";
export { isTextFormat } from "./call-log/log-format.js";
export { CHANNEL_OPTIONS } from "./channel-options.js";
export {
  CONFIG_FIELDS,
  configExample,
  configJsonSchema,
  configValueOfText,
  configVariable,
  requireConfigFields,
} from "./config/config-document.js";
export {
  type NodeConfig,
  type NodeConfigInput,
  parseNodeConfig,
} from "./config.js";
export { keepCallsYoung } from "./heap.js";
export { createLogger, LOG_LEVELS, type LogLevel } from "./logger.js";
export { type NodeDeps, type RunningNode, startNode } from "./node.js";
