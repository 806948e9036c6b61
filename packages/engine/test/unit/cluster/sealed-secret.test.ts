/**
 * Secrets sealed to a node. The vectors were made by another implementation from docs/format/peer.md: Python with the
 * X25519 and AES-GCM of `cryptography` and an HKDF of its own.
 */
import { SeededRandom } from "@authledger/io";
import { fromHex, nodeId, toHex } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../../../test/support.js";
import { SealingKey, sealSecret } from "../../../src/cluster/sealed-secret.js";

const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const from = (ephemeral: Uint8Array) => ({ bytes: () => ephemeral });

const CONTEXT = { clusterId: "0123456789abcdef", recipient: nodeId(42n), purpose: "log seed" };
const VECTORS = [
  {
    secret: Uint8Array.from({ length: 32 }, (_, i) => i),
    ephemeral: seed(0x11),
    recipient: seed(0x22),
    publicKey: "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20",
    context: CONTEXT,
    sealed:
      "017b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f134a224e9237e742ee9beaa5c3b7697c2af19b71b87b520f1b92e02d2cfc553d0e95162fa4cb73a0e9c502fa9c613d1bd6",
  },
  {
    secret: new Uint8Array(0),
    ephemeral: seed(0x33),
    recipient: seed(0x44),
    publicKey: "ff2ee45601ec1b67310c7790404585ae697331eee1c1f8cf2419731c1fff3e6b",
    context: { clusterId: "c\u00e9", recipient: nodeId(2n ** 64n - 1n), purpose: "" },
    sealed:
      "017b0d47d93427f8311160781c7c733fd89f88970aef490d8aa0ee19a4cb8a1b143cae497adb5968d37c9fa658e55ea205",
  },
];

describe("a sealed secret", () => {
  it.each(VECTORS)("is the bytes of the format, and opens: $publicKey", (vector) => {
    const key = new SealingKey(vector.recipient);
    expect(toHex(key.publicKey)).toBe(vector.publicKey);
    const { secret, context } = vector;
    const sealed = sealSecret(secret, key.publicKey, context, from(vector.ephemeral));
    expect(toHex(sealed)).toBe(vector.sealed);
    expect(key.open(fromHex(vector.sealed), context)).toEqual(secret);
  });
});

describe("INV-PEER-2: a sealed secret opens for its node, cluster and purpose only", () => {
  const random = new SeededRandom(7);
  const key = new SealingKey(seed(9));
  const secret = seed(5);
  const sealed = sealSecret(secret, key.publicKey, CONTEXT, random);

  it("opens where it belongs, and no two sealings are alike", () => {
    expect(key.open(sealed, CONTEXT)).toEqual(secret);
    expect(sealSecret(secret, key.publicKey, CONTEXT, random)).not.toEqual(sealed);
  });

  it.each([
    ["cluster", { clusterId: "0123456789abcdee" }],
    ["node", { recipient: nodeId(43n) }],
    ["purpose", { purpose: "log seed " }],
  ])("not for another %s", (_, other) => {
    const error = thrownBy(() => key.open(sealed, { ...CONTEXT, ...other }));
    expect(error.code).toBe("SEALED_SECRET_INVALID");
  });

  it("not with another key", () => {
    const error = thrownBy(() => new SealingKey(seed(10)).open(sealed, CONTEXT));
    expect(error.code).toBe("SEALED_SECRET_INVALID");
  });

  it("not with any byte changed, cut off or added", () => {
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice();
      changed[i]! ^= 1;
      expect(thrownBy(() => key.open(changed, CONTEXT)).code).toBe("SEALED_SECRET_INVALID");
      const cut = sealed.subarray(0, i);
      expect(thrownBy(() => key.open(cut, CONTEXT)).code).toBe("SEALED_SECRET_INVALID");
    }
    const longer = Uint8Array.from([...sealed, 0]);
    expect(thrownBy(() => key.open(longer, CONTEXT)).code).toBe("SEALED_SECRET_INVALID");
    const huge = new Uint8Array(100_000).fill(1);
    expect(thrownBy(() => key.open(huge, CONTEXT)).code).toBe("SEALED_SECRET_INVALID");
  });

  it("nothing is sealed to a key of low order, for which everybody knows what is shared (RFC 7748, section 6.1)", () => {
    for (const low of [new Uint8Array(32), Uint8Array.from([1, ...new Array(31).fill(0)])]) {
      const error = thrownBy(() => sealSecret(secret, low, CONTEXT, random));
      expect(error.code).toBe("SEALED_SECRET_INVALID");
      const header = Uint8Array.from([1, ...low, ...new Uint8Array(48)]);
      expect(thrownBy(() => key.open(header, CONTEXT)).code).toBe("SEALED_SECRET_INVALID");
    }
    const short = thrownBy(() => sealSecret(secret, new Uint8Array(31), CONTEXT, random));
    expect(short.code).toBe("SEALED_SECRET_INVALID");
  });

  it("nothing longer than a secret is sealed", () => {
    const long = new Uint8Array(4_097);
    expect(thrownBy(() => sealSecret(long, key.publicKey, CONTEXT, random)).code).toBe(
      "SEALED_SECRET_INVALID",
    );
  });
});
