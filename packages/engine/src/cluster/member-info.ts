/**
 * What a node is to the others, as bytes: in the context of a change of the configuration and in the group's
 * configuration row (docs/format/cluster.md).
 */
import {
  ByteReader,
  ByteWriter,
  equalBytes,
  LedgerError,
  nodeId,
  utf8Length,
  validateName,
} from "@authledger/types";
import { MEMBER_ADDRESS_BYTES_MAX, MEMBERS_MAX } from "./cluster-limits.js";
import type { MemberInfo } from "./peer-port.js";

const INCARNATION_BYTES = 16;
const KEY_BYTES = 32;

/** u16 count, then each member in order. @throws LedgerError CODEC_ENCODE for more members than a group may have */
export function encodeMemberInfos(members: readonly MemberInfo[]): Uint8Array {
  const out = new ByteWriter(256);
  writeMemberInfos(out, members);
  return out.finish();
}

/** @throws LedgerError CODEC_DECODE */
export function decodeMemberInfos(bytes: Uint8Array): MemberInfo[] {
  const from = new ByteReader(bytes, "member infos");
  const members = readMemberInfos(from);
  from.end();
  return members;
}

export function writeMemberInfos(out: ByteWriter, members: readonly MemberInfo[]): void {
  if (members.length > MEMBERS_MAX) {
    throw new LedgerError("CODEC_ENCODE", `${members.length} members; the most are ${MEMBERS_MAX}`);
  }
  out.u16(members.length);
  for (const member of members) {
    out.u64(member.nodeId).bytes(member.incarnation).lp16(member.name);
    out.lp16(member.peerAddress).lp16(member.clientAddress);
    out.bytes(member.cosignKey).bytes(member.sealKey);
  }
}

export function readMemberInfos(from: ByteReader): MemberInfo[] {
  const at = from.offset;
  const count = from.u16("members");
  if (count > MEMBERS_MAX) throw from.error("members", at, `are more than ${MEMBERS_MAX}`);
  return Array.from({ length: count }, () => readMemberInfo(from));
}

function readMemberInfo(from: ByteReader): MemberInfo {
  return {
    nodeId: nodeId(from.u64("node id")),
    incarnation: from.bytes(INCARNATION_BYTES, "incarnation").slice(),
    name: from.lp16("name"),
    peerAddress: from.lp16("peer address"),
    clientAddress: from.lp16("client address"),
    cosignKey: from.bytes(KEY_BYTES, "cosigning key").slice(),
    sealKey: from.bytes(KEY_BYTES, "sealing key").slice(),
  };
}

/** What another node says of itself. @throws LedgerError NAME_INVALID, LIMIT_EXCEEDED, INVALID_ARGUMENT */
export function validateMemberInfo(member: MemberInfo): void {
  validateName(member.name, "node name");
  const { incarnation, cosignKey, sealKey } = member;
  const isWhole =
    incarnation.length === INCARNATION_BYTES &&
    cosignKey.length === KEY_BYTES &&
    sealKey.length === KEY_BYTES;
  if (!isWhole) throw new LedgerError("INVALID_ARGUMENT", `node ${member.nodeId} names no keys`);
  for (const address of [member.peerAddress, member.clientAddress]) {
    if (utf8Length(address) <= MEMBER_ADDRESS_BYTES_MAX) continue;
    throw new LedgerError("LIMIT_EXCEEDED", `the address of node ${member.nodeId} is too long`, {
      details: { field: "address", limit: MEMBER_ADDRESS_BYTES_MAX },
    });
  }
}

/** Is this life of this node among them? */
export function includesNode(members: readonly MemberInfo[], member: MemberInfo): boolean {
  return members.some((one) => isSameNode(one, member));
}

/** Is it the same life of the same node? */
export function isSameNode(a: MemberInfo, b: MemberInfo): boolean {
  return a.nodeId === b.nodeId && equalBytes(a.incarnation, b.incarnation);
}
