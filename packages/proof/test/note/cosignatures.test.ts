/** Who has signed a head: several cosigners, keys that count once, keys that count for nothing, and more of them than the quorum. */
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import {
  entityKey,
  nobleHasher as hasher,
  type Policy,
  parseCheckpoint,
  signedKeys,
  trustFromAnchor,
  verifyAnswer,
  verifyCheckpoint,
} from "../../src/index.js";
import { nodeVerifier } from "../support/node-ed25519.js";
import { policyOf, replica, START_S, type TestKey, TestVault } from "../support/test-vault.js";

const deps = { hasher, verifier: nodeVerifier };
const vault = new TestVault();
vault.seal([vault.setEntity("user:1", "ada")]);
const stranger = replica(9);

function signers(note: string, policy: Policy = vault.anchor.policy, cosignatures = 0): string[] {
  const { cosigned } = verifyCheckpoint(note, vault.origin, policy, deps, cosignatures);
  return cosigned.map(({ id, name }) => `${id} ${name}`).sort();
}

const refusal = (act: () => unknown) => {
  const { code, details, message } = thrownBy(act);
  return { code, reason: details["reason"], message };
};
const noteOf = (...cosigners: TestKey[]): string => vault.checkpoint({ cosigners });

describe("a head that several replicas have signed", () => {
  test("says who they are: each replica of the policy once, and nobody else", () => {
    expect(signers(noteOf(replica(1), replica(2), replica(3)))).toEqual([
      `1 ${replica(1).key.name}`,
      `2 ${replica(2).key.name}`,
      `3 ${replica(3).key.name}`,
    ]);
    expect(signers(noteOf(replica(3), stranger, replica(1)))).toHaveLength(2);
    expect(signers(noteOf(replica(1), replica(2), replica(1)))).toHaveLength(2);
  });

  test("counts the old and the new key of one replica once", () => {
    const cosigners = [
      { id: 1, key: replica(1).key },
      { id: 1, key: replica(1, 1).key },
      { id: 2, key: replica(2).key },
    ];
    const policy = policyOf(vault.log, { cosigners, quorum: 2 });
    const twice = noteOf(replica(1), replica(1, 1));
    expect(refusal(() => signers(twice, policy)).reason).toBe("quorum");
    expect(signers(noteOf(replica(1, 1), replica(2)), policy)).toHaveLength(2);
  });

  test.each([
    ["no replica", []],
    ["one of three", [replica(1)]],
    ["one of three, twice", [replica(1), replica(1)]],
    ["one of three and a stranger", [replica(1), stranger]],
    ["strangers", [stranger, replica(8)]],
  ])("with %s has no quorum", (_, cosigners) => {
    expect(refusal(() => signers(noteOf(...cosigners))).reason).toBe("quorum");
  });

  test("with one forged cosignature among good ones is refused whole", () => {
    const forger = { ...replica(3), sign: replica(4).sign };
    const { code, reason } = refusal(() => signers(noteOf(replica(1), replica(2), forger)));
    expect([code, reason]).toEqual(["PROOF_INVALID", "signature"]);
  });
});

describe("more cosignatures than the quorum", () => {
  test("are there or the head is refused, with how many there are", () => {
    const two = noteOf(replica(1), replica(2));
    expect(signers(two, vault.anchor.policy, 2)).toHaveLength(2);
    const { code, reason, message } = refusal(() => signers(two, vault.anchor.policy, 3));
    expect([code, reason]).toEqual(["PROOF_INVALID", "cosignatures"]);
    expect(message).toContain("2 of the 3 cosigners");
    expect(signers(noteOf(replica(1), replica(2), replica(3)), undefined, 3)).toHaveLength(3);
  });

  test("do not count strangers, nor anybody twice", () => {
    const padded = noteOf(replica(1), replica(2), replica(2), stranger);
    expect(refusal(() => signers(padded, undefined, 3)).reason).toBe("cosignatures");
  });

  test("come on top of the quorum, never in its place", () => {
    const one = noteOf(replica(1));
    expect(refusal(() => signers(one, undefined, 1)).reason).toBe("quorum");
  });

  test("must all be fresh for a current answer", () => {
    const nowMs = (START_S + vault.size) * 1000;
    const judge = (cosigners: TestKey[], laterMs = 0): string => {
      const answer = vault.answer({ gets: [entityKey("user:1")] }, { cosigners });
      const wanted = { want: "any", nowMs: nowMs + laterMs, maxAgeS: 60, maxSkewS: 5 } as const;
      const trust = trustFromAnchor(vault.anchor);
      return verifyAnswer(trust, answer, { ...wanted, cosignatures: 3 }, deps).kind;
    };
    const all = [replica(1), replica(2), replica(3)];
    expect(judge(all)).toBe("current");
    expect(judge(all, 120_000)).toBe("historical");
    expect(refusal(() => judge(all.slice(1))).reason).toBe("cosignatures");
  });
});

test("keys are told apart in notes that nobody has judged: a bad signature counts as none", () => {
  const forger = { ...replica(3), sign: replica(4).sign };
  const known = [vault.log.key, replica(1).key, replica(2).key, replica(3).key];
  const signed = signedKeys(nodeVerifier, parseCheckpoint(noteOf(replica(1), forger)), known);
  expect(signed.map(({ name }) => name)).toEqual([vault.origin, replica(1).key.name]);
});
