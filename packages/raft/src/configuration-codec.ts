/**
 * A change of the configuration as the payload of an entry (docs/format/entry.md): the byte 0xCC tells it from the
 * entries of the state machine, which begin with 0x00, and from the empty entry of a new term.
 */
import { ByteReader, ByteWriter, type NodeId } from "@authledger/types";
import type { ConfigurationChange, MemberChange } from "./configuration.js";

const MARK = 0xcc;
const VERSION = 1;
const TRANSITIONS = ["auto", "joint-implicit", "joint-explicit"] as const;
const ACTIONS = ["add-voter", "add-learner", "remove", "update"] as const;

/** Whether the payload of an entry is a change of the configuration. */
export function isConfigurationChange(payload: Uint8Array): boolean {
  return payload.length > 0 && payload[0] === MARK;
}

export function encodeConfigurationChange(change: ConfigurationChange): Uint8Array {
  const writer = new ByteWriter(16 + 9 * change.changes.length + change.context.length);
  writer.u8(MARK).u8(VERSION).u8(TRANSITIONS.indexOf(change.transition));
  writer.varint(change.changes.length);
  for (const { action, node } of change.changes) writer.u8(ACTIONS.indexOf(action)).u64(node);
  writer.lp32(change.context);
  return writer.finish();
}

/** Throws CODEC_DECODE where the bytes are no change, or more than one. */
export function decodeConfigurationChange(payload: Uint8Array): ConfigurationChange {
  const reader = new ByteReader(payload, "configuration change");
  if (reader.u8("mark") !== MARK) throw reader.error("mark", 0, "is not 0xcc");
  if (reader.u8("version") !== VERSION) throw reader.error("version", 1, "is not known here");
  const transition = TRANSITIONS[reader.u8("transition")];
  if (transition === undefined) throw reader.error("transition", 2, "is not known");
  const count = reader.varint("changes");
  const changes: MemberChange[] = [];
  for (let i = 0; i < count; i++) {
    const at = reader.offset;
    const action = ACTIONS[reader.u8("action")];
    if (action === undefined) throw reader.error("action", at, "is not known");
    changes.push({ action, node: reader.u64("node") as NodeId });
  }
  const context = reader.lp32("context").slice();
  reader.end();
  return { transition, changes, context };
}
