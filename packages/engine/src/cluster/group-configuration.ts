/**
 * Who belongs to a group: the membership that Raft counts by, and what the members are to each other. It lies in the
 * state, in the commit of the entry that changed it (museum row 20).
 *
 *     u8 version = 1 || voters || learners || outgoing || learners next || u8 leaves by itself || member infos
 *
 * A list of nodes is a u16 count and u64 ids, ascending; members are in the order of their ids (docs/format/cluster.md).
 */
import type { Membership } from "@authledger/raft";
import { ByteReader, ByteWriter, type NodeId, nodeId } from "@authledger/types";
import { MEMBERS_MAX } from "./cluster-limits.js";
import { readMemberInfos, writeMemberInfos } from "./member-info.js";
import type { MemberInfo } from "./peer-port.js";

export interface GroupConfiguration {
  readonly membership: Membership;
  /** Of all who are in the membership and have told what they are. */
  readonly members: readonly MemberInfo[];
}

/** Nobody: what a node begins with that waits to be added. */
export const NO_MEMBERSHIP: Membership = {
  voters: [],
  learners: [],
  outgoing: [],
  learnersNext: [],
  autoLeave: false,
};

const VERSION = 1;

export function encodeConfiguration({ membership, members }: GroupConfiguration): Uint8Array {
  const out = new ByteWriter(512).u8(VERSION);
  writeMembership(out, membership);
  writeMemberInfos(out, members);
  return out.finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeConfiguration(bytes: Uint8Array): GroupConfiguration {
  const from = new ByteReader(bytes, "group configuration");
  readVersion(from);
  const membership = readMembership(from);
  const members = readMemberInfos(from);
  from.end();
  return { membership, members };
}

/** The membership alone, as a snapshot record of the log keeps it. */
export function encodeMembership(membership: Membership): Uint8Array {
  const out = new ByteWriter(256).u8(VERSION);
  writeMembership(out, membership);
  return out.finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeMembership(bytes: Uint8Array): Membership {
  const from = new ByteReader(bytes, "membership");
  readVersion(from);
  const membership = readMembership(from);
  from.end();
  return membership;
}

/** Everybody who is in a membership, in the order of their ids. */
export function nodesOf({ voters, learners, outgoing }: Membership): NodeId[] {
  const nodes = new Set([...voters, ...learners, ...outgoing]);
  return [...nodes].sort((a, b) => (a < b ? -1 : Number(a > b)));
}

/** The configuration after a change: what `told` says of members counts over what was known. */
export function nextConfiguration(
  before: GroupConfiguration,
  membership: Membership,
  told: readonly MemberInfo[],
): GroupConfiguration {
  const known = new Map([...before.members, ...told].map((member) => [member.nodeId, member]));
  const members = nodesOf(membership).flatMap((node) => known.get(node) ?? []);
  return { membership, members };
}

function writeMembership(out: ByteWriter, membership: Membership): void {
  const { voters, learners, outgoing, learnersNext, autoLeave } = membership;
  for (const list of [voters, learners, outgoing, learnersNext]) {
    out.u16(list.length);
    for (const node of list) out.u64(node);
  }
  out.u8(autoLeave ? 1 : 0);
}

function readVersion(from: ByteReader): void {
  const version = from.u8("version");
  if (version !== VERSION) throw from.error("version", 0, `is ${version}, not ${VERSION}`);
}

function readMembership(from: ByteReader): Membership {
  return {
    voters: readNodes(from, "voters"),
    learners: readNodes(from, "learners"),
    outgoing: readNodes(from, "outgoing voters"),
    learnersNext: readNodes(from, "next learners"),
    autoLeave: from.u8("leaves by itself") === 1,
  };
}

function readNodes(from: ByteReader, field: string): NodeId[] {
  const at = from.offset;
  const count = from.u16(field);
  if (count > MEMBERS_MAX) throw from.error(field, at, `are more than ${MEMBERS_MAX}`);
  return Array.from({ length: count }, () => nodeId(from.u64(field)));
}
