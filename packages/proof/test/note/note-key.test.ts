/** Verifier keys, key ids and the derivation of log keys. */
import { hkdfSync } from "node:crypto";
import { NodeHasher } from "@authledger/io";
import { concatBytes, toHex, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";
import {
  deriveLogSeed,
  formatVerifierKey,
  nobleHasher as hasher,
  noteKey,
  parseVerifierKey,
  SignatureType,
} from "../../src/index.js";
import { signerOf } from "../support/node-ed25519.js";
import { golden, hex } from "../vectors/golden.js";

const { log, replicas, second_key_of_replica_1: second, stranger } = golden.keys;

describe("verifier keys", () => {
  test.each([log, ...replicas, second, stranger])("$name follows from its seed", (key) => {
    const type = key.name === golden.origin ? SignatureType.log : SignatureType.cosignature;
    const { publicKey } = signerOf(hex(key.seed));
    expect(formatVerifierKey(noteKey(hasher, key.name, type, publicKey))).toBe(key.vkey);
    expect(formatVerifierKey(noteKey(new NodeHasher(), key.name, type, publicKey))).toBe(key.vkey);
  });

  const [name, id, key] = log.vkey.split("+") as [string, string, string];
  test.each([
    ["no name", `+${id}+${key}`],
    ["a name with a space", `a b+${id}+${key}`],
    ["a name with a control character", `a\u0001+${id}+${key}`],
    ["a name with a lone surrogate", `a\ud800+${id}+${key}`],
    ["a key id of another key", `${name}+00000000+${key}`],
    ["a key id in capitals", `${name}+${id.toUpperCase()}+${key}`],
    ["a key id of 7 digits", `${name}+${id.slice(1)}+${key}`],
    ["another name under the key id", `x${name}+${id}+${key}`],
    ["a short key", `${name}+${id}+${key.slice(0, -4)}`],
    ["base64 with a line feed", `${name}+${id}+${key}\n`],
    ["base64 of the URL alphabet", `${name}+${id}+${key.replaceAll("/", "_")}`],
    ["a type that is not ours", `${name}+${id}+B${key.slice(1)}`],
    ["a fourth field", `${log.vkey}+x`],
    ["nothing", ""],
  ])("are refused: %s", (_, text) => {
    expect(thrownBy(() => parseVerifierKey(hasher, text)).details["reason"]).toBe("key");
  });

  test.each(["", "a b", "a+b", "a\n", "a\u0085", "\ud800"])(
    "cannot have a name that no note carries: %j",
    (bad) => {
      const make = () => noteKey(hasher, bad, SignatureType.log, new Uint8Array(32));
      expect(thrownBy(make).code).toBe("INVALID_ARGUMENT");
    },
  );

  test("have 32 bytes", () => {
    const make = () => noteKey(hasher, "a", SignatureType.log, new Uint8Array(31));
    expect(thrownBy(make).code).toBe("INVALID_ARGUMENT");
  });
});

describe("log keys", () => {
  test("are derived as node:crypto derives them, whatever origin and epoch", () => {
    const random = testRandom("log seeds");
    for (let i = 0; i < testRounds(100); i++) {
      const seed = Uint8Array.from({ length: 32 }, () => random.int(256));
      const origin = `ledger.test/${random.u32()}/\u00e9`;
      const epoch = random.u32();
      const name = utf8(origin);
      const info = concatBytes(
        utf8("ledger log key v1"),
        Uint8Array.of(name.length >> 8, name.length & 255),
        name,
        Uint8Array.of(epoch >>> 24, epoch >>> 16, epoch >>> 8, epoch),
      );
      const expected = new Uint8Array(hkdfSync("sha256", seed, new Uint8Array(0), info, 32));
      expect(toHex(deriveLogSeed(seed, origin, epoch))).toBe(toHex(expected));
    }
  });
});
