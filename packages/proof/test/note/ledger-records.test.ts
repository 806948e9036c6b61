/** Policy, descriptor, limits and anchor: one text each, strictly read. INV-POLICY-1, INV-POLICY-2, INV-ANCHOR-1. */
import { readFileSync } from "node:fs";
import type { SeededRandom } from "@authledger/io";
import { decodeUtf8, LedgerError, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import {
  decodeDescriptor,
  decodeLimits,
  decodePolicy,
  encodeDescriptor,
  encodeLimits,
  encodePolicy,
  formatTrustAnchor,
  formatVerifierKey,
  nobleHasher as hasher,
  parseTrustAnchor,
  SignatureType,
} from "../../src/index.js";
import { policyOf, replica, TestVault, testKey } from "../support/test-vault.js";
import { golden, hex } from "../vectors/golden.js";

const genesis = golden.blocks[0]!.transactions[0]!.ops;
const textOf = (group: string) => genesis.find((op) => op.group === group)!.value!.utf8;
const policyText = textOf("policy");
const vault = new TestVault();
const anchorText = formatTrustAnchor(vault.anchor);
const recovery = testKey("recovery.test", SignatureType.log, 77);
const fullPolicy = policyOf(vault.log, { recoveryKey: recovery.key, maxOfflineS: 86_400 });
const fullText = decodeUtf8(encodePolicy(fullPolicy))!;
const vkey = (number: number) => formatVerifierKey(replica(number).key);

/** The text with a part replaced; the part must be there. */
function edited(text: string, part: string, by: string): string {
  expect(text).toContain(part);
  return text.replace(part, by);
}

describe("the golden texts", () => {
  test("of the genesis records are read and written byte for byte", () => {
    const policy = decodePolicy(hasher, utf8(policyText));
    expect(policy).toMatchObject({ epoch: 1, quorum: 2, fromSize: 1 });
    expect(policy.cosigners.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect(decodeUtf8(encodePolicy(policy))).toBe(policyText);
    const descriptor = decodeDescriptor(utf8(textOf("genesis")));
    expect(descriptor).toEqual({ origin: golden.origin, incarnation: 0 });
    expect(decodeUtf8(encodeDescriptor(descriptor.origin))).toBe(textOf("genesis"));
    expect(decodeLimits(utf8(textOf("limits")))).toEqual({ operationsMax: 1000 });
    expect(decodeUtf8(encodeLimits(1000))).toBe(textOf("limits"));
  });
});

describe("a policy", () => {
  test("with recovery key and longest time offline comes back", () => {
    expect(
      fullText.endsWith(`,"recovery":"${formatVerifierKey(recovery.key)}","max_offline":86400}`),
    ).toBe(true);
    expect(decodePolicy(hasher, utf8(fullText))).toEqual(fullPolicy);
  });

  const plain = decodeUtf8(encodePolicy(vault.policy))!;
  const third = `{"id":3,"vkey":"${vkey(3)}"}`;
  test.each([
    ["white space", plain, ",", ", "],
    ["a line feed behind it", plain, /$/, "\n"],
    ["an unknown key", plain, '"quorum"', '"note":1,"quorum"'],
    ["keys in another order", plain, '"quorum":2,"from_size":1', '"from_size":1,"quorum":2'],
    ["a doubled key", plain, '"quorum":2', '"quorum":3,"quorum":2'],
    ["another spelling of a number", plain, '"quorum":2', '"quorum":2.0'],
    ["an exponent", plain, '"quorum":2', '"quorum":2e0'],
    ["an escaped letter", plain, '"epoch"', '"\\u0065poch"'],
    ["an unknown key of a replica", plain, '"id":3,', '"id":3,"x":1,'],
    ["epoch 0", plain, '"epoch":1', '"epoch":0'],
    ["a number as text", plain, '"epoch":1', '"epoch":"1"'],
    ["an epoch over 2^53", plain, '"epoch":1', '"epoch":9007199254740993'],
    ["from_size 0", plain, '"from_size":1', '"from_size":0'],
    ["quorum 0", plain, '"quorum":2', '"quorum":0'],
    ["a quorum that cannot be", plain, '"quorum":2', '"quorum":4'],
    ["one key under two ids", plain, third, `{"id":3,"vkey":"${vkey(2)}"}`],
    ["one key twice under its id", plain, third, `${third},${third}`],
    ["no log key", plain, /"log":\[[^\]]*\]/, '"log":[]'],
    ["a cosigning key as log key", plain, /"log":\["[^"]*"/, `"log":["${vkey(4)}"`],
    ["null for an optional key", fullText, "86400", "null"],
    ["max_offline 0", fullText, "86400", "0"],
    ["optional keys swapped", fullText, /("recovery":"[^"]*"),("max_offline":86400)/, "$2,$1"],
  ])("is refused with %s", (_, text, part, by) => {
    const changed = text.replace(part, by);
    expect(changed).not.toBe(text);
    expect(thrownBy(() => decodePolicy(hasher, utf8(changed))).details["reason"]).toBe("policy");
  });

  test("with one key under two names is refused: its holder would count twice", () => {
    const twin = testKey("other-name.test", SignatureType.cosignature, 2);
    const cosigners = [...vault.policy.cosigners, { id: 4, key: twin.key }];
    const bytes = encodePolicy({ ...vault.policy, cosigners });
    expect(thrownBy(() => decodePolicy(hasher, bytes)).details["reason"]).toBe("policy");
  });

  test.each(["", "null", "[]", "1", "{", '"x"', "{}", "[".repeat(100_000)])("is not %j", (text) => {
    expect(thrownBy(() => decodePolicy(hasher, utf8(text))).code).toBe("PROOF_INVALID");
  });

  test("is not what is no UTF-8", () => {
    const bytes = utf8(edited(plain, "replica-3", "replica-\u00e9"));
    bytes[bytes.indexOf(0xc3)] = 0xff;
    expect(thrownBy(() => decodePolicy(hasher, bytes)).details["reason"]).toBe("policy");
  });
});

describe("descriptor and limits", () => {
  test.each([
    '{"origin":"a b","incarnation":0}',
    '{"origin":"","incarnation":0}',
    '{"origin":"a","incarnation":1}',
    '{"incarnation":0,"origin":"a"}',
    '{"origin":"a"}',
    '{"origin":1,"incarnation":0}',
    '{"origin":"a","incarnation":0,"predecessor":"b"}',
  ])("a descriptor is not %s", (text) => {
    expect(thrownBy(() => decodeDescriptor(utf8(text))).details["reason"]).toBe("descriptor");
  });

  test.each(['{"max_ops":0}', '{"max_ops":-1}', '{"max_ops":1.5}', '{"max_ops":1,"x":2}', "{}"])(
    "limits are not %s",
    (text) => {
      expect(thrownBy(() => decodeLimits(utf8(text))).details["reason"]).toBe("limits");
    },
  );
});

describe("an anchor", () => {
  test("comes back, with or without a line feed", () => {
    expect(parseTrustAnchor(hasher, anchorText)).toEqual(vault.anchor);
    expect(parseTrustAnchor(hasher, `${anchorText}\n`)).toEqual(vault.anchor);
    const full = { ...vault.anchor, policy: fullPolicy };
    expect(parseTrustAnchor(hasher, formatTrustAnchor(full))).toEqual(full);
  });

  test.each([
    ["two line feeds", /$/, "\n\n"],
    ["an unknown key", '"salt"', '"x":0,"salt"'],
    ["a short salt", "0707", "07"],
    ["hex digits in capitals", /"genesis":"[^"]*"/, `"genesis":"${"AB".repeat(32)}"`],
    ["no genesis", /"genesis":"[^"]*",/, ""],
    ["a policy that is a text", /"policy":.*$/, '"policy":"x"}'],
    ["a log key of another origin", /^\{"origin":"[^"]*"/, '{"origin":"ledger.test/other"'],
    ["an origin with a space", /^\{"origin":"[^"]*"/, '{"origin":"ledger test"'],
    ["an unknown key of the policy", '"quorum"', '"note":1,"quorum"'],
  ])("is refused with %s", (_, part, by) => {
    const changed = anchorText.replace(part, by);
    expect(changed).not.toBe(anchorText);
    const { reason } = thrownBy(() => parseTrustAnchor(hasher, changed)).details;
    expect(reason).toBe("anchor");
  });
});

/** One to three edits of characters that mean something in JSON. */
function mutate(text: string, random: SeededRandom): string {
  let out = text;
  for (let times = 1 + random.int(3); times > 0; times--) {
    const at = random.int(out.length + 1);
    const [from, to] = [at + random.int(3), random.int(out.length + 1)];
    const insert = random.pick([
      "",
      " ",
      ",",
      '"',
      "0",
      "1",
      "{}",
      "[]",
      "\\",
      "e",
      out.slice(to, to + 20),
    ]);
    out = out.slice(0, at) + insert + out.slice(from);
  }
  return out;
}

test("whatever text is accepted is the one text of what it says", () => {
  const random = testRandom("text fuzz");
  const forms: [string, (text: string) => string | undefined][] = [
    [policyText, (text) => decodeUtf8(encodePolicy(decodePolicy(hasher, utf8(text))))],
    [fullText, (text) => decodeUtf8(encodePolicy(decodePolicy(hasher, utf8(text))))],
    [textOf("genesis"), (t) => decodeUtf8(encodeDescriptor(decodeDescriptor(utf8(t)).origin))],
    [textOf("limits"), (t) => decodeUtf8(encodeLimits(decodeLimits(utf8(t)).operationsMax))],
    [anchorText, (text) => formatTrustAnchor(parseTrustAnchor(hasher, text))],
  ];
  let accepted = 0;
  for (let i = 0; i < testRounds(10_000); i++) {
    const [text, rewrite] = random.pick(forms);
    const mutated = mutate(text, random);
    try {
      expect(rewrite(mutated)).toBe(mutated.replace(/\n$/, ""));
      accepted++;
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
    }
  }
  expect(accepted).toBeGreaterThan(0);
}, 60_000);

describe("docs/format/ledger-records.md", () => {
  const path = new URL("../../../../docs/format/ledger-records.md", import.meta.url);
  const examples = [...readFileSync(path, "utf8").matchAll(/```json\n(.*)\n```/g)].map(
    ([, text]) => text!,
  );

  test("shows the descriptor, limits, policy and anchor of the golden vault, in their one form", () => {
    const [descriptor, restored, limits, policy, anchor, ...more] = examples as [
      string,
      string,
      string,
      string,
      string,
    ];
    expect(more).toEqual([]);
    expect([descriptor, limits, policy]).toEqual([textOf("genesis"), textOf("limits"), policyText]);
    const next = decodeDescriptor(utf8(restored));
    expect(next.incarnation).toBe(1);
    expect(encodeDescriptor(next.origin, next.predecessor)).toEqual(utf8(restored));
    expect(parseTrustAnchor(hasher, anchor)).toEqual({
      origin: golden.origin,
      salt: hex(golden.salt),
      genesis: hex(golden.light_client.base_trust.block_hash_0),
      policy: decodePolicy(hasher, utf8(policy)),
    });
  });
});
