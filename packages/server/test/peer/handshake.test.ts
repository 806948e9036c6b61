/** INV-PEER-5 as a function: what a node knows, what another says, and whether they talk. */
import { readFileSync } from "node:fs";
import { DATA_FORMAT_VERSION, FrameKind, type PeerRefusal } from "@authledger/engine";
import { peer } from "@authledger/proto";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  type Hello,
  helloTo,
  judge,
  type Knowledge,
} from "../../src/peer/handshake.js";
import { CLUSTER, memberOf } from "./peer-support.js";

const me = memberOf({ id: 1n, peerAddress: "127.0.0.1:1" });
const you = memberOf({ id: 2n, peerAddress: "127.0.0.1:2" });
const wiped = memberOf({ id: 2n, life: 9, peerAddress: "127.0.0.1:2" });

/** What node 2 says to node 1, both of one cluster. */
function hello(about: Partial<Hello> = {}): Hello {
  return { ...helloTo({ member: you, clusterId: CLUSTER }, me), ...about };
}

function known(about: Partial<Knowledge> = {}): Knowledge {
  return {
    own: { member: me, clusterId: CLUSTER },
    joining: undefined,
    dialed: undefined,
    memberOf: () => undefined,
    isRemoved: () => false,
    isNamed: () => true,
    ...about,
  };
}

const REASONS: readonly PeerRefusal[] = [
  ...(["protocol", "format", "other-cluster", "other-node", "other-incarnation"] as const),
  ...(["removed", "waiting", "certificate"] as const),
];

const waiting = { own: { member: me, clusterId: undefined } };

describe("INV-PEER-5: two nodes", () => {
  it.each<[string, Hello, Knowledge]>([
    ["of one cluster, the one known", hello(), known({ memberOf: () => you })],
    ["of one cluster, the one not known yet", hello(), known()],
    ["one of which waits and is named", hello(), known(waiting)],
    [
      "one of which waits and is let in by its second peer",
      hello(),
      known({ ...waiting, joining: CLUSTER }),
    ],
    [
      "one of which dialed the other, which waits",
      hello({ clusterId: undefined }),
      known({ dialed: you, memberOf: () => you }),
    ],
    ["of overlapping versions", hello({ protocolVersion: 7 }), known()],
  ])("%s, talk", (_, said, knowledge) => {
    expect(judge(said, knowledge)).toBeUndefined();
  });

  it.each<[PeerRefusal, string, Hello, Knowledge]>([
    [
      "protocol",
      "a newer protocol only",
      hello({ protocolVersion: 7, protocolVersionOldest: 3 }),
      known(),
    ],
    ["protocol", "an older protocol only", hello({ protocolVersion: 0 }), known()],
    ["format", "other data", hello({ formatVersion: DATA_FORMAT_VERSION + 1 }), known()],
    ["other-cluster", "another cluster", hello({ clusterId: "x" }), known()],
    ["other-cluster", "a second cluster", hello(), known({ ...waiting, joining: "x" })],
    [
      "other-node",
      "another one meant",
      hello({ expected: memberOf({ id: 3n, peerAddress: "" }) }),
      known(),
    ],
    [
      "other-incarnation",
      "another life of this node meant",
      hello({ expected: { ...me, incarnation: new Uint8Array(16) } }),
      known(),
    ],
    [
      "other-node",
      "not the one dialed",
      hello(),
      known({ dialed: memberOf({ id: 3n, peerAddress: "" }) }),
    ],
    ["other-incarnation", "another life than dialed", hello(), known({ dialed: wiped })],
    [
      "other-incarnation",
      "another life than the member's",
      hello(),
      known({ memberOf: () => wiped }),
    ],
    ["other-node", "itself", hello({ member: me }), known()],
    ["removed", "removed", hello(), known({ isRemoved: () => true })],
    ["certificate", "the certificate of another", hello(), known({ isNamed: () => false })],
    ["waiting", "waiting and not added", hello({ clusterId: undefined }), known()],
    [
      "waiting",
      "both waiting",
      hello({ clusterId: undefined }),
      known({ ...waiting, memberOf: () => you }),
    ],
  ])("%s: %s", (reason, _, said, knowledge) => {
    expect(judge(said, knowledge)).toBe(reason);
  });
});

describe("a hello", () => {
  it("survives the wire", () => {
    for (const said of [hello(), hello({ clusterId: undefined })]) {
      const bytes = peer.PeerHello.encode(encodeHello(said)).finish();
      expect(decodeHello(peer.PeerHello.decode(bytes))).toEqual(said);
    }
  });

  it.each<[string, Partial<peer.PeerHello>]>([
    ["nobody", { member: Uint8Array.of(0, 0) }],
    ["no node", { member: Uint8Array.of(1, 2, 3) }],
    ["a cluster that cannot be", { clusterId: "a b" }],
    ["a cluster too long", { clusterId: "a".repeat(65) }],
  ])("of %s is refused with a typed error", (_, part) => {
    const message = { ...encodeHello(hello()), ...part };
    expect(thrownBy(() => decodeHello(message)).code).toBe("CODEC_DECODE");
  });
});

describe("a refusal", () => {
  it("is a fixed word with its meaning; one of a newer version is no word", () => {
    expect(encodeRefusal("removed")).toEqual({
      reason: "removed",
      message: "it was removed from the cluster",
    });
    expect(decodeRefusal(encodeRefusal("format"))).toBe("format");
    expect(decodeRefusal({ reason: "toString", message: "" })).toBeUndefined();
  });
});

describe("docs/format/peer.md", () => {
  const text = readFileSync(new URL("../../../../docs/format/peer.md", import.meta.url), "utf8");

  it("names every kind of frame with its number", () => {
    const rows = [...text.matchAll(/^\| (\d+) +\| (\w+) +\| (?:in the order|first|last|after)/gm)];
    const told = Object.fromEntries(rows.map(([, code, name]) => [name, Number(code)]));
    expect(told).toEqual(FrameKind);
  });

  it("names every reason of a refusal", () => {
    for (const reason of REASONS) expect(text).toMatch(new RegExp(`^\\| ${reason} +\\|`, "m"));
  });
});
