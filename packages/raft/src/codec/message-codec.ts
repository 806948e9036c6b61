/**
 * Messages as bytes (docs/format/peer.md). Small numbers are varints, node ids eight bytes; the terms of entries are
 * written as what they grow by, since a log's terms never fall (Raft 5.3).
 *
 *   INV-PEER-1  A message has exactly one encoding; `decodeMessage` gives it back equal and refuses all else with
 *               CODEC_DECODE, before it takes memory that the bytes do not account for.
 *
 * Payloads are copied once on the way out and not at all on the way in: decoded entries are views of the bytes.
 */
import {
  ByteReader,
  ByteWriter,
  LedgerError,
  limits,
  type NodeId,
  nodeId,
} from "@authledger/types";
import type { Membership } from "../configuration.js";
import type { Entry, SnapshotMeta } from "../log.js";
import type { Message, MessageType } from "../message.js";

/** Never reused. */
const CODES = {
  append: 1,
  "append-response": 2,
  heartbeat: 3,
  "heartbeat-response": 4,
  vote: 5,
  "vote-response": 6,
  "pre-vote": 7,
  "pre-vote-response": 8,
  snapshot: 9,
  "timeout-now": 10,
  transfer: 11,
  read: 12,
  "read-response": 13,
} as const satisfies Record<MessageType, number>;

const TYPES: ReadonlyMap<number, MessageType> = new Map(
  Object.entries(CODES).map(([type, code]) => [code, type as MessageType]),
);

/** Everything but entries and lists of nodes, with the room that ByteWriter wants ahead of a varint. */
const FIXED_BYTES = 72;
/** Growth of the term and length of an entry, likewise. */
const ENTRY_OVERHEAD_BYTES = 16;

type Of<T extends MessageType> = Extract<Message, { readonly type: T }>;

/**
 * The bytes of a message, in a buffer of its own.
 * @throws LedgerError CODEC_ENCODE for entries with gaps or falling terms, or over the limits
 * @example decodeMessage(encodeMessage(message)) // equal to message
 */
export function encodeMessage(message: Message): Uint8Array {
  const w = new ByteWriter(FIXED_BYTES + listBytes(message));
  w.u8(CODES[message.type]).u64(message.from).u64(message.to).varint(message.term);
  writeBody(w, message);
  return w.view();
}

/**
 * The message that `encodeMessage` wrote. Payloads are views of `bytes`.
 * @throws LedgerError CODEC_DECODE naming the field and its offset
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const r = new ByteReader(bytes, "message");
  const type = TYPES.get(r.u8("type"));
  if (type === undefined) throw r.error("type", 0, `is ${bytes[0]}, which is no type of message`);
  const from = nodeId(r.u64("from"));
  const to = nodeId(r.u64("to"));
  const message = readBody(r, type, { from, to, term: r.varint("term") });
  r.end();
  return message;
}

function listBytes(message: Message): number {
  let total = 0;
  if (message.type === "append") {
    for (const entry of message.entries) total += entry.payload.length + ENTRY_OVERHEAD_BYTES;
  } else if (message.type === "snapshot") {
    for (const list of lists(message.snapshot.membership)) total += 8 * list.length + 8;
  }
  return total;
}

function writeBody(w: ByteWriter, message: Message): void {
  switch (message.type) {
    case "append":
      w.varint(message.index).varint(message.logTerm).varint(message.commit);
      writeEntries(w, message);
      return;
    case "append-response":
      w.varint(message.index).u8(message.reject ? 1 : 0);
      w.varint(message.hint)
        .varint(message.logTerm)
        .u8(message.isRecovering ? 1 : 0);
      return;
    case "heartbeat":
      w.varint(message.commit).varint(message.round);
      return;
    case "heartbeat-response":
      w.varint(message.round);
      return;
    case "vote":
    case "pre-vote":
      w.varint(message.index)
        .varint(message.logTerm)
        .u8(message.isTransfer ? 1 : 0);
      return;
    case "vote-response":
    case "pre-vote-response":
      w.u8(message.reject ? 1 : 0)
        .varint(message.commit)
        .varint(message.commitTerm);
      return;
    case "snapshot":
      writeSnapshot(w, message.snapshot);
      return;
    case "timeout-now":
      w.varint(message.index).varint(message.logTerm);
      return;
    case "transfer":
      w.u64(message.target);
      return;
    case "read":
      w.varint(message.context).u8(message.isRecovering ? 1 : 0);
      return;
    case "read-response":
      w.varint(message.context)
        .varint(message.index)
        .u8(message.reject ? 1 : 0);
  }
}

interface Header {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly term: number;
}

function readBody(r: ByteReader, type: MessageType, header: Header): Message {
  switch (type) {
    case "append":
      return readAppend(r, header);
    case "append-response":
      return readAppendResponse(r, header);
    case "heartbeat":
      return { ...header, type, commit: r.varint("commit"), round: r.varint("round") };
    case "heartbeat-response":
      return { ...header, type, round: r.varint("round") };
    case "vote":
    case "pre-vote": {
      const index = r.varint("index");
      return { ...header, type, index, logTerm: logTerm(r), isTransfer: flag(r, "isTransfer") };
    }
    case "vote-response":
    case "pre-vote-response":
      return readVoteResponse(r, header, type);
    case "snapshot":
      return { ...header, type, snapshot: readSnapshot(r) };
    case "timeout-now":
      return { ...header, type, index: r.varint("index"), logTerm: logTerm(r) };
    case "transfer":
      return { ...header, type, target: nodeId(r.u64("target")) };
    case "read":
      return { ...header, type, context: r.varint("context"), isRecovering: recovering(r) };
    case "read-response": {
      const context = r.varint("context");
      return { ...header, type, context, index: r.varint("index"), reject: flag(r, "reject") };
    }
  }
}

function readAppendResponse(r: ByteReader, header: Header): Message {
  const index = r.varint("index");
  const reject = flag(r, "reject");
  const hint = r.varint("hint");
  const term = logTerm(r);
  const isRecovering = recovering(r);
  return { ...header, type: "append-response", index, reject, hint, logTerm: term, isRecovering };
}

function readVoteResponse(
  r: ByteReader,
  header: Header,
  type: "vote-response" | "pre-vote-response",
): Message {
  const reject = flag(r, "reject");
  const commit = r.varint("commit");
  return { ...header, type, reject, commit, commitTerm: r.varint("commitTerm") };
}

function recovering(r: ByteReader): boolean {
  return flag(r, "isRecovering");
}

function writeEntries(w: ByteWriter, { index, logTerm, entries }: Of<"append">): void {
  w.varint(entries.length);
  let term = logTerm;
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i]!;
    if (entry.index !== index + 1 + i) {
      throw refused(`entry ${entry.index} follows entry ${index + i}`);
    }
    if (entry.term < term) throw refused(`term ${entry.term} follows term ${term}`);
    bytes += entry.payload.length;
    w.varint(entry.term - term)
      .varint(entry.payload.length)
      .bytes(entry.payload);
    term = entry.term;
  }
  if (isTooLarge(entries.length, bytes)) {
    throw refused(`${entries.length} entries of ${bytes} bytes are over the limit of a message`);
  }
}

function readAppend(r: ByteReader, header: Header): Message {
  const index = r.varint("index");
  const prevTerm = logTerm(r);
  const commit = r.varint("commit");
  const at = r.offset;
  const count = r.varint("entries");
  if (count > r.remaining / 2) throw r.error("entries", at, `are ${count}, more than the bytes`);
  const last = index + count;
  if (!Number.isSafeInteger(last)) throw r.error("entries", at, "reach beyond 2^53 - 1");
  const entries: Entry[] = [];
  let term = prevTerm;
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const start = r.offset;
    term += r.varint("entry.term");
    if (!Number.isSafeInteger(term)) throw r.error("entry.term", start, "is beyond 2^53 - 1");
    const payload = r.bytes(r.varint("entry.length"), "entry.payload");
    bytes += payload.length;
    if (isTooLarge(count, bytes)) throw r.error("entries", at, "are over the limit of a message");
    entries.push({ index: index + 1 + i, term, payload });
  }
  return { ...header, type: "append", index, logTerm: prevTerm, entries, commit };
}

/** A single entry may be as large as any; more share the bytes of a message. */
function isTooLarge(count: number, bytes: number): boolean {
  if (count > limits.APPEND_ENTRIES_MAX) return true;
  return bytes > (count === 1 ? limits.ENTRY_BYTES_MAX : limits.APPEND_BYTES_MAX);
}

/** In the order in which they are written. */
function lists(m: Membership): readonly (readonly NodeId[])[] {
  return [m.voters, m.learners, m.outgoing, m.learnersNext];
}

function writeSnapshot(w: ByteWriter, { index, term, membership }: SnapshotMeta): void {
  w.varint(index).varint(term);
  for (const list of lists(membership)) {
    w.varint(list.length);
    for (let i = 0; i < list.length; i++) {
      if (i > 0 && list[i]! <= list[i - 1]!) throw refused("a list of nodes is not sorted");
      w.u64(list[i]!);
    }
  }
  w.u8(membership.autoLeave ? 1 : 0);
}

function readSnapshot(r: ByteReader): SnapshotMeta {
  const index = r.varint("index");
  const term = r.varint("snapshot.term");
  const voters = readNodes(r, "voters");
  const learners = readNodes(r, "learners");
  const outgoing = readNodes(r, "outgoing");
  const learnersNext = readNodes(r, "learnersNext");
  const autoLeave = flag(r, "autoLeave");
  return { index, term, membership: { voters, learners, outgoing, learnersNext, autoLeave } };
}

function readNodes(r: ByteReader, field: string): readonly NodeId[] {
  const at = r.offset;
  const count = r.varint(field);
  if (count > r.remaining / 8) throw r.error(field, at, `are ${count}, more than the bytes`);
  const nodes: NodeId[] = [];
  for (let i = 0; i < count; i++) {
    const node = nodeId(r.u64(field));
    if (i > 0 && node <= nodes[i - 1]!) throw r.error(field, at, "are not sorted");
    nodes.push(node);
  }
  return nodes;
}

function logTerm(r: ByteReader): number {
  return r.varint("logTerm");
}

function flag(r: ByteReader, field: string): boolean {
  const at = r.offset;
  const value = r.u8(field);
  if (value > 1) throw r.error(field, at, `is ${value}, not 0 or 1`);
  return value === 1;
}

function refused(why: string): LedgerError {
  return new LedgerError("CODEC_ENCODE", `message: ${why}`);
}
