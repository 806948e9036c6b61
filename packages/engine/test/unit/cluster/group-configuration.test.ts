/** Members and memberships as bytes: replicas compare them by digest, so there is one form. */
import type { Membership } from "@authledger/raft";
import { type NodeId, nodeId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../../test/support.js";
import {
  decodeConfiguration,
  decodeMembership,
  encodeConfiguration,
  encodeMembership,
  NO_MEMBERSHIP,
  nextConfiguration,
} from "../../../src/cluster/group-configuration.js";
import {
  decodeMemberInfos,
  encodeMemberInfos,
  validateMemberInfo,
} from "../../../src/cluster/member-info.js";
import type { MemberInfo } from "../../../src/index.js";

const random = testRandom("group configuration");
const ids = (...numbers: number[]): NodeId[] => numbers.map((n) => nodeId(BigInt(n)));

function infoOf(n: number): MemberInfo {
  return {
    nodeId: nodeId(BigInt(n)),
    incarnation: random.bytes(16),
    name: `node-${n}`,
    peerAddress: `10.0.0.${n}:7401`,
    clientAddress: `[fe80::${n}]:7400`,
    cosignKey: random.bytes(32),
    sealKey: random.bytes(32),
  };
}

describe("members as bytes", () => {
  test("come back as they were", () => {
    const members = [infoOf(1), infoOf(2), { ...infoOf(3), clientAddress: "" }];
    expect(decodeMemberInfos(encodeMemberInfos(members))).toEqual(members);
    expect(decodeMemberInfos(encodeMemberInfos([]))).toEqual([]);
  });

  test("damaged ones are refused at the byte", () => {
    const bytes = encodeMemberInfos([infoOf(1)]);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMemberInfos(bytes.subarray(0, length))).toThrow(/CODEC_DECODE|member/);
    }
    expect(() => decodeMemberInfos(Uint8Array.of(...bytes, 0))).toThrow("left over");
    expect(() => decodeMemberInfos(Uint8Array.of(0, 17))).toThrow("more than 16");
    const many = Array.from({ length: 17 }, (_, i) => infoOf(i + 1));
    expect(() => encodeMemberInfos(many)).toThrow("17 members");
  });

  test("what another node says of itself is checked", () => {
    expect(() => validateMemberInfo(infoOf(1))).not.toThrow();
    expect(() => validateMemberInfo({ ...infoOf(1), name: "a b" })).toThrow("not a name");
    const long = "h".repeat(261);
    expect(() => validateMemberInfo({ ...infoOf(1), peerAddress: long })).toThrow("too long");
    const short = random.bytes(31);
    expect(() => validateMemberInfo({ ...infoOf(1), sealKey: short })).toThrow("no keys");
  });
});

describe("a group's configuration", () => {
  const membership: Membership = {
    voters: ids(1, 2, 3),
    learners: ids(9),
    outgoing: ids(1, 4),
    learnersNext: ids(4),
    autoLeave: true,
  };

  test("comes back as it was, with members and without", () => {
    const configuration = { membership, members: [infoOf(1), infoOf(9)] };
    expect(decodeConfiguration(encodeConfiguration(configuration))).toEqual(configuration);
    expect(decodeMembership(encodeMembership(membership))).toEqual(membership);
    expect(decodeMembership(encodeMembership(NO_MEMBERSHIP))).toEqual(NO_MEMBERSHIP);
  });

  test("another version is refused", () => {
    const bytes = encodeMembership(membership);
    bytes[0] = 2;
    expect(() => decodeMembership(bytes)).toThrow("version at byte 0 is 2");
  });

  test("keeps what is known of who stays, learns what a change tells, forgets who left", () => {
    const [one, two, four] = [infoOf(1), infoOf(2), infoOf(4)];
    const moved = { ...two, peerAddress: "10.0.1.2:7401" };
    const before = { membership, members: [one, two, four] };
    const after = { ...NO_MEMBERSHIP, voters: ids(1, 2), learners: ids(3) };
    const three = infoOf(3);
    const { members } = nextConfiguration(before, after, [three, moved]);
    expect(members).toEqual([one, moved, three]);
  });
});
