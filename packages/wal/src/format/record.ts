/**
 * Records, the content of batches. Every record opens with the same 21 bytes; what does not fit there is its
 * payload.
 *
 * Source: storage.md, "The log of all groups", kinds 1 to 7. Kinds 8 to 10 are what that leaves open: the state
 * of a group carried forward when its older segments go, the log's own state, and the end of a node's doubt.
 * What the records mean together is in `state/log-state.ts`.
 */
import {
  assertNever,
  defineLayout,
  type GroupId,
  groupId,
  type Layout,
  LedgerError,
  type NodeId,
  nodeId,
  type VaultId,
  vaultId,
} from "@authledger/types";
import { readU48, viewOf, writeU48 } from "./little-endian.js";

/** One entry of a group's log. Its payload must not change until the append resolves. */
export interface EntryRecord {
  readonly kind: "entry";
  readonly group: GroupId;
  readonly index: number;
  readonly term: number;
  readonly payload: Uint8Array;
}

/** Term and vote of a group: must be durable before any message that depends on them. */
export interface HardStateRecord {
  readonly kind: "hard-state";
  readonly group: GroupId;
  readonly term: number;
  readonly vote: NodeId | undefined;
}

/** The entries of a group from `from` on are gone; a conflicting leader replaced them. */
export interface TruncateRecord {
  readonly kind: "truncate";
  readonly group: GroupId;
  readonly from: number;
}

/** A snapshot replaced the group's log up to `index`. */
export interface SnapshotRecord {
  readonly kind: "snapshot";
  readonly group: GroupId;
  readonly index: number;
  readonly term: number;
  /** 16 bytes that name the snapshot. */
  readonly uuid: Uint8Array;
  /** The group's membership as its owner encodes it. */
  readonly configuration: Uint8Array;
}

/** The group's entries up to `index` are known committed. It gets no sync of its own. */
export interface CommitHintRecord {
  readonly kind: "commit-hint";
  readonly group: GroupId;
  readonly index: number;
}

export interface GroupRecord {
  readonly kind: "group";
  readonly group: GroupId;
  readonly action: "create" | "drop";
}

/** High-water mark of signatures of a vault: must be durable before the signature leaves the node. */
export interface SignedRecord {
  readonly kind: "signed";
  readonly group: GroupId;
  readonly vault: VaultId;
  /** Blocks that the signed head covers. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Time in the signed head, milliseconds since 1970. */
  readonly timeMs: number;
}

/** The node has caught up with a leader of a newer round: the doubt about its log's end is over. */
export interface RecoveredRecord {
  readonly kind: "recovered";
}

/** What callers append. */
export type WalRecord =
  | EntryRecord
  | HardStateRecord
  | TruncateRecord
  | SnapshotRecord
  | CommitHintRecord
  | GroupRecord
  | SignedRecord
  | RecoveredRecord;

/** A group's state, written again before the segments that hold it go. */
export interface CarriedRecord {
  readonly kind: "carried";
  readonly group: GroupId;
  /** Last index that is no longer needed, and its term. */
  readonly base: number;
  readonly baseTerm: number;
  readonly last: number;
  readonly lastTerm: number;
  readonly term: number;
  readonly vote: NodeId | undefined;
  readonly commitHint: number;
}

/** The log's own state. */
export interface LogRecord {
  readonly kind: "log";
  /** Segments before this one hold nothing that is needed. */
  readonly firstSegment: number;
  /** The batch whose loss this node cannot rule out; 0 if none. */
  readonly doubtLsn: number;
}

/** A snapshot with what it did to the log before it, which a reader of half a log could not tell. */
export interface SnapshotInLog extends SnapshotRecord {
  /** The log did not agree with the snapshot and begins anew behind it; else its entries stay. */
  readonly restarts: boolean;
}

/** What batches hold. */
export type AnyRecord =
  | Exclude<WalRecord, SnapshotRecord>
  | SnapshotInLog
  | CarriedRecord
  | LogRecord;

/** The number of each kind on disk. Never reused. */
export const RECORD_KINDS: Readonly<Record<AnyRecord["kind"], number>> = {
  entry: 1,
  "hard-state": 2,
  truncate: 3,
  snapshot: 4,
  "commit-hint": 5,
  group: 6,
  signed: 7,
  carried: 8,
  log: 9,
  recovered: 10,
};

const HEADER_FIELDS = [
  { name: "kind", type: "u8", doc: "1 to 10; an unknown one is damage" },
  { name: "group", type: "u32", doc: "the group; 0 where the record is about the whole log" },
  { name: "index", type: "u48", doc: "index, or what the kind says" },
  { name: "term", type: "u48", doc: "term, or zero" },
  { name: "len", type: "u32", doc: "bytes of payload" },
] as const;
export const RECORD_HEADER: Layout<typeof HEADER_FIELDS> = defineLayout(
  "record header",
  HEADER_FIELDS,
  { littleEndian: true },
);

const VOTE_FIELDS = [
  {
    name: "vote",
    type: "bytes",
    size: 8,
    doc: "node id, u64; the payload is empty without a vote",
  },
] as const;
export const VOTE_PAYLOAD: Layout<typeof VOTE_FIELDS> = defineLayout("hard state", VOTE_FIELDS, {
  littleEndian: true,
});

const SIGNED_FIELDS = [
  { name: "vault", type: "u32", doc: "the vault" },
  { name: "timeMs", type: "u64", doc: "time in the signed head" },
  { name: "root", type: "bytes", size: 32, doc: "root of the signed head; its size is the index" },
] as const;
export const SIGNED_PAYLOAD: Layout<typeof SIGNED_FIELDS> = defineLayout("signed", SIGNED_FIELDS, {
  littleEndian: true,
});

const CARRIED_FIELDS = [
  { name: "base", type: "u64", doc: "last index that is no longer needed" },
  { name: "baseTerm", type: "u64", doc: "its term" },
  { name: "lastTerm", type: "u64", doc: "term of the last entry, whose index is the header's" },
  { name: "commitHint", type: "u64", doc: "known committed" },
  { name: "voted", type: "u8", doc: "1 if a vote follows; the hard state's term is the header's" },
  { name: "vote", type: "bytes", size: 8, doc: "node id, u64, or zero" },
] as const;
export const CARRIED_PAYLOAD: Layout<typeof CARRIED_FIELDS> = defineLayout(
  "carried",
  CARRIED_FIELDS,
  { littleEndian: true },
);

const LOG_FIELDS = [
  { name: "firstSegment", type: "u64", doc: "segments before it hold nothing that is needed" },
  { name: "doubtLsn", type: "u64", doc: "the batch whose loss cannot be ruled out; 0 if none" },
] as const;
export const LOG_PAYLOAD: Layout<typeof LOG_FIELDS> = defineLayout("log", LOG_FIELDS, {
  littleEndian: true,
});

const SNAPSHOT_FIELDS = [
  { name: "uuid", type: "bytes", size: 16, doc: "names the snapshot" },
  { name: "restarts", type: "u8", doc: "1: the log begins anew behind it; 0: its entries stay" },
] as const;
/** Opens the payload of a snapshot record; the configuration follows. */
export const SNAPSHOT_PAYLOAD: Layout<typeof SNAPSHOT_FIELDS> = defineLayout(
  "snapshot",
  SNAPSHOT_FIELDS,
  { littleEndian: true },
);

const GROUP_FIELDS = [
  { name: "created", type: "u8", doc: "1: the group begins; 0: it is dropped with all it had" },
] as const;
export const GROUP_PAYLOAD: Layout<typeof GROUP_FIELDS> = defineLayout("group", GROUP_FIELDS, {
  littleEndian: true,
});

export const RECORD_HEADER_BYTES: number = RECORD_HEADER.size;
export const CARRIED_RECORD_BYTES: number = RECORD_HEADER_BYTES + CARRIED_PAYLOAD.size;
export const SIGNED_RECORD_BYTES: number = RECORD_HEADER_BYTES + SIGNED_PAYLOAD.size;
export const LOG_RECORD_BYTES: number = RECORD_HEADER_BYTES + LOG_PAYLOAD.size;

const AT = {
  group: RECORD_HEADER.offsetOf("group"),
  index: RECORD_HEADER.offsetOf("index"),
  term: RECORD_HEADER.offsetOf("term"),
  len: RECORD_HEADER.offsetOf("len"),
};
const NO_GROUP = 0;

/** Bytes that a record takes in a batch. */
export function recordBytes(record: AnyRecord | SnapshotRecord): number {
  return RECORD_HEADER_BYTES + payloadBytes(record);
}

function payloadBytes(record: AnyRecord | SnapshotRecord): number {
  switch (record.kind) {
    case "entry":
      return record.payload.length;
    case "hard-state":
      return record.vote === undefined ? 0 : VOTE_PAYLOAD.size;
    case "snapshot":
      return SNAPSHOT_PAYLOAD.size + record.configuration.length;
    case "group":
      return GROUP_PAYLOAD.size;
    case "signed":
      return SIGNED_PAYLOAD.size;
    case "carried":
      return CARRIED_PAYLOAD.size;
    case "log":
      return LOG_PAYLOAD.size;
    case "truncate":
    case "commit-hint":
    case "recovered":
      return 0;
    default:
      return assertNever(record, "record kind");
  }
}

/** Writes `record` at `at` of `bytes`, of which `view` is the view; returns the offset behind it. */
export function writeRecord(
  record: AnyRecord,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): number {
  const [group, index, term] = fixedPart(record);
  const len = payloadBytes(record);
  view.setUint8(at, RECORD_KINDS[record.kind]);
  view.setUint32(at + AT.group, group, true);
  writeU48(view, at + AT.index, index);
  writeU48(view, at + AT.term, term);
  view.setUint32(at + AT.len, len, true);
  const payloadAt = at + RECORD_HEADER_BYTES;
  if (record.kind === "entry") bytes.set(record.payload, payloadAt);
  else if (len > 0) writePayload(record, bytes, view, payloadAt);
  return payloadAt + len;
}

function fixedPart(record: AnyRecord): readonly [number, number, number] {
  switch (record.kind) {
    case "entry":
    case "snapshot":
      return [record.group, record.index, record.term];
    case "hard-state":
      return [record.group, 0, record.term];
    case "truncate":
      return [record.group, record.from, 0];
    case "commit-hint":
      return [record.group, record.index, 0];
    case "group":
      return [record.group, 0, 0];
    case "signed":
      return [record.group, record.size, 0];
    case "carried":
      return [record.group, record.last, record.term];
    case "log":
    case "recovered":
      return [NO_GROUP, 0, 0];
    default:
      return assertNever(record, "record kind");
  }
}

function writePayload(record: AnyRecord, bytes: Uint8Array, view: DataView, at: number): void {
  switch (record.kind) {
    case "hard-state":
      view.setBigUint64(at, record.vote ?? 0n, true);
      return;
    case "snapshot":
      SNAPSHOT_PAYLOAD.write(bytes, { uuid: record.uuid, restarts: Number(record.restarts) }, at);
      bytes.set(record.configuration, at + SNAPSHOT_PAYLOAD.size);
      return;
    case "group":
      view.setUint8(at, record.action === "create" ? 1 : 0);
      return;
    case "signed":
      SIGNED_PAYLOAD.write(bytes, record, at);
      return;
    case "carried":
      writeCarried(record, bytes, at);
      return;
    case "log":
      LOG_PAYLOAD.write(bytes, record, at);
      return;
    default:
      return;
  }
}

function writeCarried(record: CarriedRecord, bytes: Uint8Array, at: number): void {
  const vote = new Uint8Array(8);
  viewOf(vote).setBigUint64(0, record.vote ?? 0n, true);
  const voted = record.vote === undefined ? 0 : 1;
  CARRIED_PAYLOAD.write(bytes, { ...record, voted, vote }, at);
}

/** The first 21 bytes of a record. */
export interface RecordHeader {
  readonly kind: number;
  readonly group: GroupId;
  readonly index: number;
  readonly term: number;
  readonly len: number;
}

export function readRecordHeader(view: DataView, at: number): RecordHeader {
  return {
    kind: view.getUint8(at),
    group: groupId(view.getUint32(at + AT.group, true)),
    index: readU48(view, at + AT.index),
    term: readU48(view, at + AT.term),
    len: view.getUint32(at + AT.len, true),
  };
}

/** A record as it lies in a batch; `payload` is a view. */
export interface StoredRecord extends RecordHeader {
  /** Where the record begins in its batch. */
  readonly at: number;
  readonly payload: Uint8Array;
}

/**
 * The records of a batch of `len` bytes.
 * @throws LedgerError CODEC_DECODE when they do not fill it exactly
 */
export function* storedRecords(
  batch: Uint8Array,
  bounds: { readonly from: number; readonly len: number; readonly nrec: number },
): Generator<StoredRecord> {
  const view = viewOf(batch);
  let at = bounds.from;
  for (let i = 0; i < bounds.nrec; i++) {
    if (at + RECORD_HEADER_BYTES > bounds.len) throw misfit(at, "does not fit its batch");
    const header = readRecordHeader(view, at);
    const end = at + RECORD_HEADER_BYTES + header.len;
    if (end > bounds.len) throw misfit(at, "is longer than its batch");
    yield { ...header, at, payload: batch.subarray(at + RECORD_HEADER_BYTES, end) };
    at = end;
  }
  if (at !== bounds.len) throw misfit(at, "is not the end of its batch");
}

/**
 * The meaning of a stored record that is no entry. Byte fields are copies.
 * @throws LedgerError CODEC_DECODE for an unknown kind or a payload of a wrong length
 */
export function decodeRecord(stored: StoredRecord): Exclude<AnyRecord, EntryRecord> {
  const { group, index, term } = stored;
  switch (stored.kind) {
    case RECORD_KINDS["hard-state"]:
      return { kind: "hard-state", group, term, vote: decodeVote(stored) };
    case RECORD_KINDS.truncate:
      return { kind: "truncate", group, from: index };
    case RECORD_KINDS.snapshot:
      return decodeSnapshot(stored);
    case RECORD_KINDS["commit-hint"]:
      return { kind: "commit-hint", group, index };
    case RECORD_KINDS.group:
      expectBytes(stored, GROUP_PAYLOAD.size);
      return { kind: "group", group, action: stored.payload[0] === 1 ? "create" : "drop" };
    case RECORD_KINDS.signed:
      return decodeSigned(stored);
    case RECORD_KINDS.carried:
      return decodeCarried(stored);
    case RECORD_KINDS.log:
      expectBytes(stored, LOG_PAYLOAD.size);
      return { kind: "log", ...LOG_PAYLOAD.read(stored.payload) };
    case RECORD_KINDS.recovered:
      return { kind: "recovered" };
    default:
      throw misfit(stored.at, `is of the unknown kind ${stored.kind}`);
  }
}

function decodeVote(stored: StoredRecord): NodeId | undefined {
  if (stored.len === 0) return undefined;
  expectBytes(stored, VOTE_PAYLOAD.size);
  return nodeId(viewOf(stored.payload).getBigUint64(0, true));
}

function decodeSnapshot(stored: StoredRecord): SnapshotInLog {
  const { group, index, term } = stored;
  const { uuid, restarts } = SNAPSHOT_PAYLOAD.read(stored.payload);
  const configuration = stored.payload.slice(SNAPSHOT_PAYLOAD.size);
  const named = { uuid: uuid.slice(), configuration, restarts: restarts !== 0 };
  return { kind: "snapshot", group, index, term, ...named };
}

function decodeSigned(stored: StoredRecord): SignedRecord {
  expectBytes(stored, SIGNED_PAYLOAD.size);
  const { vault, timeMs, root } = SIGNED_PAYLOAD.read(stored.payload);
  const mark = { size: stored.index, root: root.slice(), timeMs };
  return { kind: "signed", group: stored.group, vault: vaultId(vault), ...mark };
}

function decodeCarried(stored: StoredRecord): CarriedRecord {
  expectBytes(stored, CARRIED_PAYLOAD.size);
  const { base, baseTerm, lastTerm, commitHint, voted, vote } = CARRIED_PAYLOAD.read(
    stored.payload,
  );
  const { group, index: last, term } = stored;
  return {
    kind: "carried",
    group,
    base,
    baseTerm,
    last,
    lastTerm,
    term,
    vote: voted === 0 ? undefined : nodeId(viewOf(vote).getBigUint64(0, true)),
    commitHint,
  };
}

function expectBytes(stored: StoredRecord, bytes: number): void {
  if (stored.len !== bytes) throw misfit(stored.at, `has ${stored.len} bytes, not ${bytes}`);
}

function misfit(at: number, why: string): LedgerError {
  const details = { offset: at };
  return new LedgerError("CODEC_DECODE", `record at byte ${at} of its batch ${why}`, { details });
}
