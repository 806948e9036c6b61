/** Consensus: a pure core that knows only opaque payloads. */
export type { Action } from "./action.js";
export { decodeMessage, encodeMessage } from "./codec/message-codec.js";
export type { ConfigurationChange, MemberChange, Membership } from "./configuration.js";
export type { Event } from "./event.js";
export type { Entry, LogReader, SnapshotMeta } from "./log.js";
export type { HardState, Message, MessageType } from "./message.js";
