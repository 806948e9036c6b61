/** The default verifier is RFC 8032's, strict: one signature of one key over one message. */
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { nobleVerifier } from "../../src/index.js";
import { nodeVerifier, signerOf } from "../support/node-ed25519.js";

/** The order of the base point, little endian. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function addOrder(signature: Uint8Array): Uint8Array {
  const out = signature.slice();
  let s = 0n;
  for (let i = 63; i >= 32; i--) s = (s << 8n) | BigInt(out[i]!);
  s += ORDER;
  for (let i = 32; i < 64; i++, s >>= 8n) out[i] = Number(s & 255n);
  return out;
}

describe("signatures", () => {
  const message = Uint8Array.of(1, 2, 3);
  const { publicKey, sign } = signerOf(new Uint8Array(32).fill(9));
  const signature = sign(message);

  test("of node:crypto are good, and both verifiers agree on every flipped bit", () => {
    const random = testRandom("signature bits");
    expect(nobleVerifier.verify(publicKey, message, signature)).toBe(true);
    for (let i = 0; i < testRounds(60); i++) {
      const bad = signature.slice();
      bad[random.int(64)]! ^= 1 << random.int(8);
      expect(nobleVerifier.verify(publicKey, message, bad)).toBe(false);
      expect(nodeVerifier.verify(publicKey, message, bad)).toBe(false);
    }
  });

  test("are bad under another message or key", () => {
    const other = signerOf(new Uint8Array(32).fill(8)).publicKey;
    expect(nobleVerifier.verify(publicKey, Uint8Array.of(1, 2), signature)).toBe(false);
    expect(nobleVerifier.verify(other, message, signature)).toBe(false);
  });

  test("with S raised by the order of the group are bad: no second form of a signature", () => {
    expect(nobleVerifier.verify(publicKey, message, addOrder(signature))).toBe(false);
  });

  test("of a key of small order are bad, though ZIP 215 takes them for any message", () => {
    const identity = new Uint8Array(32);
    identity[0] = 1;
    const forged = new Uint8Array(64);
    forged[0] = 1;
    expect(nobleVerifier.verify(identity, message, forged)).toBe(false);
  });

  test.each([
    [31, 64],
    [33, 64],
    [0, 64],
    [32, 63],
    [32, 65],
    [32, 0],
  ])("a key of %i bytes and a signature of %i are bad, not an exception", (key, length) => {
    const verify = () => nobleVerifier.verify(new Uint8Array(key), message, new Uint8Array(length));
    expect(verify()).toBe(false);
  });

  test("a key that is no point of the curve is bad, not an exception", () => {
    expect(nobleVerifier.verify(new Uint8Array(32).fill(2), message, signature)).toBe(false);
  });
});
