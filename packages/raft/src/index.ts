/** Consensus: a pure core that knows only opaque payloads. */
export type { Action, DropReason, Role } from "./action.js";
export { decodeMessage, encodeMessage } from "./codec/message-codec.js";
export type { ConfigurationChange, MemberChange, Membership } from "./configuration.js";
export { applyChange, type Changed, isJoint } from "./configuration-change.js";
export {
  decodeConfigurationChange,
  encodeConfigurationChange,
  isConfigurationChange,
} from "./configuration-codec.js";
export { Core } from "./core.js";
export type { Event } from "./event.js";
export type { Entry, LogReader, SnapshotMeta } from "./log.js";
export type { HardState, Message, MessageType } from "./message.js";
export type { ProgressState, ProgressStatus } from "./progress.js";
export type { CoreOptions } from "./state.js";
