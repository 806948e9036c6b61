/** The light client rule by rule (commitment.md, "Light client"). INV-CLIENT-1, INV-CLIENT-2, INV-EPOCH-1. */
import { toHex, utf8 } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../test/support.js";
import {
  adoptPolicy,
  encodeLimits,
  encodePolicy,
  entityKey,
  nobleHasher as hasher,
  Kind,
  ledgerRecordKey,
  type Policy,
  type PolicyBundle,
  type ProvenAnswer,
  type TrustState,
  trustFromAnchor,
  verifyAnswer,
} from "../src/index.js";
import { nodeVerifier } from "./support/node-ed25519.js";
import { policyOf, replica, START_S, TestVault } from "./support/test-vault.js";

const deps = { hasher, verifier: nodeVerifier };
const config = { lists: [{ kind: Kind.ledgerRecord, partition: "ledger" }] };

function wanted(vault: TestVault, want: "current" | "any" = "current") {
  return { want, nowMs: (START_S + vault.size) * 1000, maxAgeS: 60, maxSkewS: 5 } as const;
}

function vaultOf(blocks: number): TestVault {
  const vault = new TestVault();
  for (let i = 1; i < blocks; i++) vault.seal([vault.setEntity(`user:${i}`, `value ${i}`)]);
  return vault;
}

const gets = (i: number) => ({ gets: [entityKey(`user:${i}`)] });
const run = (vault: TestVault, trust: TrustState, answer: ProvenAnswer) =>
  verifyAnswer(trust, answer, wanted(vault), deps);
const reason = (act: () => unknown) => thrownBy(act).details["reason"];

describe("first contact", () => {
  test("begins at the anchored genesis and ends at the checkpoint's head", () => {
    const vault = vaultOf(6);
    const { kind, height, trust } = run(
      vault,
      trustFromAnchor(vault.anchor),
      vault.answer(gets(3)),
    );
    expect([kind, height]).toEqual(["current", 5]);
    expect(trust.head).toMatchObject({ size: 6n, note: vault.checkpoint() });
    expect(toHex(trust.head.root)).toBe(toHex(vault.root()));
  });

  test("with a vault of one block needs no proof", () => {
    const vault = vaultOf(1);
    const answer = vault.answer(config);
    expect(answer.consistencyProof).toEqual([]);
    expect(run(vault, trustFromAnchor(vault.anchor), answer).height).toBe(0);
  });

  test.each([1, 2, 6])("with another first block is refused as such, at size %i", (blocks) => {
    const vault = vaultOf(blocks);
    const genesis = new Uint8Array(32).fill(1);
    const trust = trustFromAnchor({ ...vault.anchor, genesis });
    const error = thrownBy(() => run(vault, trust, vault.answer(config)));
    expect([error.code, error.details["reason"]]).toEqual(["PROOF_INVALID", "genesis"]);
  });

  test("of a twin vault with the same keys but another salt is refused", () => {
    const [vault, twin] = [vaultOf(3), new TestVault({ saltByte: 8 })];
    twin.seal([]);
    twin.seal([]);
    const trust = trustFromAnchor(vault.anchor);
    expect(reason(() => run(vault, trust, twin.answer(config)))).toBe("genesis");
    expect(
      reason(() =>
        run(vault, { ...trustFromAnchor(twin.anchor), salt: vault.salt }, twin.answer(config)),
      ),
    ).toBe("vault-ref");
  });
});

describe("heads", () => {
  test("grow with every answer, each proven from the one before", () => {
    const vault = vaultOf(1);
    let trust = run(vault, trustFromAnchor(vault.anchor), vault.answer(config)).trust;
    for (let blocks = 2; blocks <= 20; blocks++) {
      vault.seal([vault.setEntity(`user:${blocks}`, "x")]);
      const from = Number(trust.head.size);
      if (blocks % 3 !== 0) continue;
      trust = run(vault, trust, vault.answer(gets(blocks), { from })).trust;
      expect(trust.head.size).toBe(BigInt(blocks));
    }
  });

  const vault = vaultOf(9);
  const trust = run(vault, trustFromAnchor(vault.anchor), vault.answer(gets(1), { size: 6 })).trust;

  test("do not shrink: an older checkpoint gives history and leaves the trust as it is", () => {
    const old = vault.answer(gets(2), { size: 4, from: 6 });
    const verified = verifyAnswer(trust, old, wanted(vault, "any"), deps);
    expect([verified.kind, verified.height]).toEqual(["historical", 3]);
    expect(verified.trust).toEqual(trust);
    const error = thrownBy(() => run(vault, trust, old));
    expect([error.code, error.details["reason"]]).toEqual(["PROOF_STALE", "not-current"]);
  });

  test("of one size with two signed roots are evidence, and it holds both notes", () => {
    const fork = vaultOf(5);
    fork.seal([fork.setEntity("user:5", "another value")]);
    const answer = fork.answer(gets(5), { from: 6 });
    const error = thrownBy(() => run(vault, trust, answer));
    expect(error.code).toBe("EQUIVOCATION");
    expect(error.details).toEqual({
      reason: "fork",
      trusted: trust.head.note,
      received: answer.checkpoint,
    });
  });

  test("of a longer fork cannot be proven consistent, and both notes are kept", () => {
    const fork = vaultOf(5);
    for (let i = 5; i < 9; i++) fork.seal([fork.setEntity(`user:${i}`, "another value")]);
    const answer = fork.answer(gets(5), { from: 6 });
    const { code, details } = thrownBy(() => run(vault, trust, answer));
    expect([code, details["reason"]]).toEqual(["PROOF_INVALID", "consistency"]);
    expect(details).toMatchObject({ trusted: trust.head.note, received: answer.checkpoint });
  });

  test("of equal size take no proof with hashes left over", () => {
    const same = vault.answer(gets(2), { size: 6, from: 6 });
    expect(verifyAnswer(trust, same, wanted(vault), deps).trust.head.size).toBe(6n);
    const padded = { ...same, consistencyProof: [new Uint8Array(32)] };
    expect(reason(() => run(vault, trust, padded))).toBe("consistency");
  });
});

describe("freshness", () => {
  const vault = vaultOf(3);
  const trust = trustFromAnchor(vault.anchor);
  const timed = (timeS: number, nowMs: number, rules = { maxAgeS: 60, maxSkewS: 5 }) => {
    const answer = vault.answer(gets(1), { timeS });
    return verifyAnswer(trust, answer, { want: "any", nowMs, ...rules }, deps);
  };

  test.each([
    ["as old as allowed", 60_000, "current"],
    ["as old as allowed, late in its second", 60_999, "current"],
    ["one second older", 61_000, "historical"],
    ["as far ahead as allowed", -5_000, "current"],
    ["one second further ahead", -6_000, "historical"],
    ["of now", 0, "current"],
  ])("a quorum time that is %s makes the answer %s", (_, laterMs, kind) => {
    expect(timed(START_S, START_S * 1000 + laterMs).kind).toBe(kind);
  });

  test("T is the later of block time and quorum time, and the block time of history", () => {
    const blockMs = BigInt((START_S + 2) * 1000);
    expect(timed(START_S + 50, (START_S + 50) * 1000).timeMs).toBe(BigInt((START_S + 50) * 1000));
    expect(timed(START_S, START_S * 1000).timeMs).toBe(blockMs);
    expect(timed(START_S + 50, (START_S + 500) * 1000).timeMs).toBe(blockMs);
  });

  test("the quorum-th newest time counts, not the newest", () => {
    const body = vault.checkpoint({ timeS: START_S, cosigners: [replica(1), replica(2)] });
    const late = vault.checkpoint({ timeS: START_S + 100, cosigners: [replica(3)] });
    const checkpoint = `${body}${late.split("\n")[5]}\n`;
    const answer = { ...vault.answer(gets(1)), checkpoint };
    const at = { want: "any", nowMs: (START_S + 100) * 1000, maxSkewS: 5 } as const;
    expect(verifyAnswer(trust, answer, { ...at, maxAgeS: 60 }, deps).kind).toBe("historical");
    const { kind, timeMs } = verifyAnswer(trust, answer, { ...at, maxAgeS: 100 }, deps);
    expect([kind, timeMs]).toEqual(["current", BigInt((START_S + 2) * 1000)]);
  });

  test.each([
    ["within the time", 10_000, undefined],
    ["within the time, late in its second", 10_999, undefined],
    ["a second earlier than clocks may be behind", 16_000, "stale"],
    ["further ahead than clocks may be", -6_000, "stale"],
  ])("a head that must be signed in the last 10 s, signed %s, gives %s", (_, laterMs, refusal) => {
    const answer = vault.answer(gets(1), { timeS: START_S });
    const nowMs = START_S * 1000 + laterMs;
    const want = { signedSinceMs: nowMs - 10_000 };
    const judge = () =>
      verifyAnswer(trust, answer, { want, nowMs, maxAgeS: 60, maxSkewS: 5 }, deps);
    if (refusal === undefined) expect(judge().height).toBe(2);
    else expect(reason(judge)).toBe(refusal);
  });

  test("an answer of a head that must be signed lately is about its last block, though the client knows a newer head", () => {
    const nowMs = (START_S + 4) * 1000;
    const rules = { want: { signedSinceMs: nowMs - 1_000 }, nowMs, maxAgeS: 60, maxSkewS: 5 };
    const known = verifyAnswer(trust, vault.answer(gets(1)), { ...rules, want: "any" }, deps);
    const lagging = vault.answer(gets(1), { size: 2, timeS: START_S + 3 });
    const consistencyProof = vault.consistency(2, 3);
    const judged = verifyAnswer(known.trust, { ...lagging, consistencyProof }, rules, deps);
    expect([judged.kind, judged.height]).toEqual(["historical", 1]);
    const older = vault.answer(gets(1), { height: 1, timeS: START_S + 3 });
    expect(reason(() => verifyAnswer(trust, older, rules, deps))).toBe("not-current");
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("rules of %d are a caller's error", (bad) => {
    const rules = { maxAgeS: bad, maxSkewS: 5 };
    expect(thrownBy(() => timed(START_S, 0, rules)).code).toBe("INVALID_ARGUMENT");
    expect(thrownBy(() => timed(START_S, bad)).code).toBe("INVALID_ARGUMENT");
  });
});

describe("a changed configuration", () => {
  function changed(): { vault: TestVault; trust: TrustState } {
    const vault = vaultOf(3);
    const { trust } = run(vault, trustFromAnchor(vault.anchor), vault.answer(config));
    vault.seal([vault.setRecord("limits", encodeLimits(500))]);
    return { vault, trust };
  }

  test("must be shown whole once, and is then known", () => {
    const { vault, trust } = changed();
    const from = { from: 3 };
    expect(reason(() => run(vault, trust, vault.answer(gets(1), from)))).toBe("config");
    const policyOnly = { gets: [ledgerRecordKey("ledger", "policy")] };
    expect(reason(() => run(vault, trust, vault.answer(policyOnly, from)))).toBe("config");
    const seen = run(vault, trust, vault.answer(config, from)).trust;
    expect(run(vault, seen, vault.answer(gets(1), { from: 4 })).kind).toBe("current");
  });

  test("is not known from an answer without a state: the next one must still show it", () => {
    const { vault, trust } = changed();
    const bare = { ...vault.answer({}, { from: 3 }), stateProof: new Uint8Array(0) };
    const after = run(vault, trust, bare).trust;
    expect(after.head.size).toBe(4n);
    expect(after.configHash).toEqual(trust.configHash);
    expect(reason(() => run(vault, after, vault.answer(gets(1), { from: 4 })))).toBe("config");
  });
});

describe("policy epochs", () => {
  /** Replica 3 makes way for replica 4; heads from size 4 on. */
  function next(vault: TestVault, changes: Partial<Policy> = {}): Policy {
    const cosigners = [1, 2, 4].map((id) => ({ id, key: replica(id).key }));
    return policyOf(vault.log, { epoch: 2, cosigners, fromSize: 4, ...changes });
  }

  function withPolicy(policyBytes: (vault: TestVault) => Uint8Array): {
    vault: TestVault;
    trust: TrustState;
    bundle: PolicyBundle;
  } {
    const vault = vaultOf(3);
    const { trust } = run(vault, trustFromAnchor(vault.anchor), vault.answer(config));
    const op = vault.setRecord("policy", policyBytes(vault));
    vault.seal([op]);
    if (op.op !== "set_record") throw new Error("not a record");
    const bundle = {
      ...vault.answer(config, { from: 3 }),
      policyValue: vault.storedValue(op.value),
    };
    return { vault, trust, bundle };
  }

  const adopted = withPolicy((vault) => encodePolicy(next(vault)));

  test("are adopted one by one, under the quorum of the epoch before", () => {
    const { vault, trust, bundle } = adopted;
    const after = adoptPolicy(trust, bundle, deps);
    expect(after.policy).toEqual(next(vault));
    expect(after.head.size).toBe(4n);
    expect(trust.policy.epoch).toBe(1);
    const byOld = { from: 4, cosigners: [replica(1), replica(3)] };
    const byNew = { from: 4, cosigners: [replica(1), replica(4)] };
    expect(run(vault, after, vault.answer(gets(1), byNew)).kind).toBe("current");
    expect(reason(() => run(vault, after, vault.answer(gets(1), byOld)))).toBe("quorum");
    expect(reason(() => run(vault, after, vault.answer(gets(1), { size: 3, from: 4 })))).toBe(
      "policy",
    );
  });

  test("do not change because of an answer, even one that shows the new policy", () => {
    const { vault, trust } = adopted;
    const { policy } = run(vault, trust, vault.answer(config, { from: 3 })).trust;
    expect(policy).toBe(trust.policy);
  });

  test("need the quorum of the epoch before: the new replicas alone are not believed", () => {
    const { vault, trust, bundle } = adopted;
    const checkpoint = vault.checkpoint({ cosigners: [replica(1), replica(4)] });
    expect(reason(() => adoptPolicy(trust, { ...bundle, checkpoint }, deps))).toBe("quorum");
  });

  test("need the record in the proof, and its own value", () => {
    const { vault, trust, bundle } = adopted;
    const first = vault.recordAt(0, ledgerRecordKey("ledger", "policy"))!;
    const old = { ...bundle, policyValue: vault.storedValue(first.value!) };
    expect(reason(() => adoptPolicy(trust, old, deps))).toBe("value");
    const short = { ...bundle, policyValue: bundle.policyValue.subarray(1) };
    expect(reason(() => adoptPolicy(trust, short, deps))).toBe("value");
    const unknown = { ...trust, configHash: undefined };
    const hidden = { ...bundle, stateProof: vault.stateProof(gets(1)) };
    expect(reason(() => adoptPolicy(unknown, hidden, deps))).toBe("policy");
    const bare = { ...bundle, stateProof: new Uint8Array(0) };
    expect(reason(() => adoptPolicy(trust, bare, deps))).toBe("policy");
  });

  test("are not adopted twice, nor back", () => {
    const { vault, trust, bundle } = adopted;
    const after = adoptPolicy(trust, bundle, deps);
    const again = { ...bundle, ...vault.answer(config, { from: 4 }) };
    expect(reason(() => adoptPolicy(after, again, deps))).toBe("policy");
  });

  const other = new TestVault({ origin: "ledger.test/other" });
  test.each<[string, (vault: TestVault) => Uint8Array]>([
    ["that skip one", (vault) => encodePolicy(next(vault, { epoch: 3 }))],
    ["that stay", (vault) => encodePolicy(next(vault, { epoch: 1 }))],
    [
      "with a log key of another origin",
      (vault) => encodePolicy(next(vault, { logKeys: [other.log.key] })),
    ],
    ["that are no policy", () => utf8("{}")],
    ["in another form", (vault) => utf8(`${new TextDecoder().decode(encodePolicy(next(vault)))} `)],
  ])("%s are refused", (_, bytes) => {
    const { trust, bundle } = withPolicy(bytes);
    expect(reason(() => adoptPolicy(trust, bundle, deps))).toBe("policy");
  });

  test("that begin before the one before them are refused", () => {
    const { trust, bundle } = adopted;
    const late = { ...trust, policy: { ...trust.policy, fromSize: 4 } };
    expect(adoptPolicy(late, bundle, deps).policy.epoch).toBe(2);
    const later = withPolicy((vault) => encodePolicy(next(vault, { fromSize: 3 })));
    const refused = { ...later.trust, policy: { ...later.trust.policy, fromSize: 4 } };
    expect(reason(() => adoptPolicy(refused, later.bundle, deps))).toBe("policy");
  });

  test("of a client that was away are caught up in order, from bundles older than the head", () => {
    const { vault, trust, bundle } = withPolicy((v) => encodePolicy(next(v)));
    const third = policyOf(vault.log, { epoch: 3, quorum: 3, fromSize: 5 });
    const op = vault.setRecord("policy", encodePolicy(third));
    vault.seal([op]);
    if (op.op !== "set_record") throw new Error("not a record");
    const bundle3 = {
      ...vault.answer(config, { from: 4, cosigners: [replica(2), replica(4)] }),
      policyValue: vault.storedValue(op.value),
    };
    expect(
      reason(() =>
        adoptPolicy(trust, { ...bundle3, consistencyProof: vault.consistency(3, 5) }, deps),
      ),
    ).toBe("quorum");
    const after = adoptPolicy(adoptPolicy(trust, bundle, deps), bundle3, deps);
    expect([after.policy.epoch, after.policy.quorum, after.head.size]).toEqual([3, 3, 5n]);
  });
});
