/**
 * An audit of a vault whose voters change: the heads of an honest ledger are signed by others than the anchor names, and nothing
 * contradicts; who is no voter of any policy, and policies that nobody let in, are still found.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  adoptPolicyReceipt,
  nobleHasher,
  nobleVerifier,
  type PolicyBundle,
  parseCheckpoint,
  parseTrustAnchor,
  trustFromAnchor,
  verifyCheckpoint,
} from "@authledger/proof";
import { nodeCrypto } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { describe, expect, it, test } from "vitest";
import { rejectedBy, temporaryDirectory } from "../../../../test/support.js";
import { type AuditHead, formatAuditHead, parseAuditHead } from "../../src/audit/audit-head.js";
import { Auditor, type AuditorDeps } from "../../src/audit/auditor.js";
import { Contradiction } from "../../src/audit/contradiction.js";
import { parsePolicies } from "../../src/run/policy-list.js";
import { type Audit, auditOf, watching } from "./audit-command.js";
import { keysOf, MovingVault, nodeOf, type Served } from "./moving-vault.js";

const THREE = { voters: [1, 2, 3], quorum: 2 };

function auditor(
  anchor: string,
  client: AuditorDeps["client"],
  { saved, onSleep }: { saved?: AuditHead; onSleep?: (slept: number) => void } = {},
): Auditor {
  let slept = 0;
  const sleep = async (): Promise<void> => onSleep?.(++slept);
  const deps = { client, crypto: nodeCrypto, call: {}, nowMs: Date.now, sleep };
  return new Auditor(anchor, saved, deps);
}

/** To the newest signed head; what is in the state file then. */
async function run(one: Auditor): Promise<AuditHead> {
  let last: AuditHead | undefined;
  for await (const state of one.catchUp()) last = parseAuditHead(formatAuditHead(state));
  expect(one.executed).toBe(one.headSize);
  return last!;
}

async function foundBy(one: Auditor): Promise<Contradiction> {
  const error = await rejectedBy(run(one));
  if (error instanceof Contradiction) return error;
  throw error;
}

/** A state file as it was written before policies were kept in it. */
function ofBefore(state: AuditHead): AuditHead {
  const { policies: _, ...fields } = JSON.parse(formatAuditHead(state)) as Record<string, unknown>;
  return parseAuditHead(JSON.stringify(fields));
}

/** What a third person makes of evidence with nothing but the anchor in it and another implementation of the hashes. */
function verifiedByOthers(found: Contradiction, anchor: string, note: "trusted" | "received") {
  const text = found.format({ origin: "o", anchor, atMs: 1 });
  const evidence = JSON.parse(text) as Record<string, unknown>;
  const others = { hasher: nobleHasher, verifier: nobleVerifier };
  let trust = trustFromAnchor(parseTrustAnchor(nobleHasher, String(evidence["anchor"])));
  for (const policy of parsePolicies(evidence["policies"])) {
    trust = adoptPolicyReceipt(trust, policy, others);
  }
  const { origin, policy } = trust;
  return () => verifyCheckpoint(String(evidence[`${note}_note`]), origin, policy, others);
}

/** The third of three voters is replaced by a fourth, as operations.md says. */
function replaced(): MovingVault {
  const moving = new MovingVault(THREE);
  moving.move({ voters: [1, 2, 3, 4], quorum: 3 });
  moving.write();
  moving.move({ voters: [1, 2, 4], quorum: 2 });
  moving.write();
  return moving;
}

describe("an honest ledger whose voters change", () => {
  // `cluster add n4 --promote`, `cluster remove n3`; then n1 and n4 were the first to sign. Under the anchor of before that was
  // one of two cosigners: a contradiction, exit 7, and no way for the audit to go on.
  it("passes when a voter was replaced, from its beginning, from a state file, and from one of before", async () => {
    const moving = new MovingVault(THREE);
    const served: Served = { signers: keysOf(1, 2) };
    const node = nodeOf(moving, served);
    const anchor = moving.anchor();
    const before = await run(auditor(anchor, node));
    expect(formatAuditHead(before)).not.toContain("policies");
    moving.move({ voters: [1, 2, 3, 4], quorum: 3 });
    moving.write();
    moving.move({ voters: [1, 2, 4], quorum: 2 });
    moving.write();
    served.signers = keysOf(1, 4);
    for (const saved of [undefined, before, ofBefore(before)]) {
      const state = await run(auditor(anchor, node, saved && { saved }));
      expect(state.position.size).toBe(moving.vault.size);
      expect(state.policies).toHaveLength(2);
    }
    const after = await run(auditor(anchor, node, { saved: before }));
    moving.write();
    served.signers = keysOf(2, 4);
    for (const saved of [after, ofBefore(after)]) {
      expect((await run(auditor(anchor, node, { saved }))).policies).toHaveLength(2);
    }
    // With the policies in the file nobody is asked for them to judge a head.
    node.asked.bundles = 0;
    served.bundles = 0;
    await run(auditor(anchor, node, { saved: after }));
    expect(node.asked.bundles).toBe(1);
  });

  // Grown from one node; that node was slow, and the other two signed: "0 of 1 cosigners have signed", now and then.
  it("passes when it has grown from one node, whoever of the voters signs", async () => {
    const moving = new MovingVault({ voters: [1], quorum: 1 });
    moving.move({ ...THREE });
    const served: Served = { signers: keysOf(1, 2) };
    const node = nodeOf(moving, served);
    let saved: AuditHead | undefined;
    for (const signers of [keysOf(1, 2), keysOf(2, 3), keysOf(1, 3), keysOf(3, 2)]) {
      served.signers = signers;
      moving.write();
      saved = await run(auditor(moving.anchor(), node, saved && { saved }));
    }
    expect(saved!.position.size).toBe(moving.vault.size);
  });

  // The anchor was taken while its policy was on its way: the served head is smaller than the policy's `from_size`.
  it("is asked again where its head is of before the anchor's policy, and never accused of that", async () => {
    const moving = new MovingVault({ voters: [1], quorum: 1 });
    const size = moving.vault.size;
    moving.move({ ...THREE });
    const served: Served = { signers: keysOf(1), size, bundles: 0 };
    const node = nodeOf(moving, served);
    const refused = await rejectedBy(run(auditor(moving.anchor(2), node)));
    expect(refused).not.toBeInstanceOf(Contradiction);
    expect([refused.code, refused.row.retry]).toEqual(["STALE_REPLICA", "safe"]);
    const onSleep = (slept: number): void => {
      if (slept < 3) return;
      served.signers = keysOf(2, 3);
      delete served.size;
    };
    const state = await run(auditor(moving.anchor(2), node, { onSleep }));
    expect(state.position.size).toBe(moving.vault.size);
  });

  it("is asked again where the node is behind with its policies", async () => {
    const moving = replaced();
    const served: Served = { signers: keysOf(4, 1), bundles: 0 };
    const onSleep = (slept: number): void => {
      served.bundles = Math.floor(slept / 3);
    };
    const node = nodeOf(moving, served);
    const state = await run(auditor(moving.anchor(), node, { onSleep }));
    expect([state.policies.length, served.bundles]).toEqual([2, 2]);
  });

  it("passes when nobody of the anchor's voters is left", async () => {
    const moving = new MovingVault(THREE);
    moving.move({ voters: [4, 5, 6], quorum: 2 });
    moving.write();
    moving.move({ voters: [7, 8, 9], quorum: 2 });
    const node = nodeOf(moving, { signers: keysOf(7, 9) });
    for (const epoch of [1, 2, 3]) {
      const { policies, position } = await run(auditor(moving.anchor(epoch), node));
      expect([policies.length, position.size]).toEqual([3 - epoch, moving.vault.size]);
    }
  });

  // A follower was behind, and served a head of before the change, which the newest policy does not accept.
  it("passes when a late replica serves a head that was signed under the policy before", async () => {
    const moving = new MovingVault({ voters: [1], quorum: 1 });
    const size = moving.vault.size;
    moving.move({ voters: [2], quorum: 1 });
    moving.write();
    const served: Served = { signers: keysOf(2) };
    const node = nodeOf(moving, served);
    const saved = await run(auditor(moving.anchor(), node));
    Object.assign(served, { signers: keysOf(1), size });
    const one = auditor(moving.anchor(), node, { saved });
    await run(one).catch((error: unknown) => expect(error).toBeUndefined());
    expect(one.executed).toBe(moving.vault.size);
  });

  // A head that both policies accept says nothing of the newer one, whose voters alone count from then on.
  it("is asked for its policies when its configuration changes, before a head needs them", async () => {
    const moving = new MovingVault({ voters: [1], quorum: 1 });
    const served: Served = { signers: keysOf(1) };
    const node = nodeOf(moving, served);
    const one = auditor(moving.anchor(), node);
    await run(one);
    moving.move({ voters: [2], quorum: 1 });
    served.signers = keysOf(1, 2);
    await run(one);
    served.signers = keysOf(1);
    moving.write();
    const found = await foundBy(one);
    expect([found.kind, found.evidence.policies.length]).toEqual(["checkpoint", 1]);
  });
});

describe("a contradiction after the voters have changed", () => {
  it.each([
    ["strangers have signed it", keysOf(11, 12)],
    ["one voter alone has signed it", keysOf(4)],
    ["those who were let go have signed it", keysOf(3, 1)],
  ])("is a head when %s, with what leads others to that verdict", async (_, signers) => {
    const moving = replaced();
    const served: Served = { signers: keysOf(1, 4) };
    const node = nodeOf(moving, served);
    const anchor = moving.anchor();
    const saved = await run(auditor(anchor, node));
    moving.write();
    served.signers = signers;
    const found = await foundBy(auditor(anchor, node, { saved }));
    expect([found.kind, found.row.exit]).toEqual(["checkpoint", "VERIFICATION_FAILED"]);
    expect(verifiedByOthers(found, anchor, "trusted")().size).toBe(saved.head.size);
    expect(verifiedByOthers(found, anchor, "received")).toThrow(/cosigners have signed/);
  });

  const forgeries: [
    string,
    string,
    string,
    (all: PolicyBundle[], moving: MovingVault) => PolicyBundle[],
  ][] = [
    ["one is missing", "policy", "policy", ([, last]) => [last!]],
    [
      "those of the policy before have not signed",
      "policy",
      "quorum",
      ([first, last], { vault }) => {
        const size = Number(parseCheckpoint(first!.checkpoint).size);
        return [
          { ...first!, checkpoint: vault.checkpoint({ size, cosigners: keysOf(3, 4) }) },
          last!,
        ];
      },
    ],
    [
      "its value is another's",
      "policy",
      "value",
      ([first, last]) => [{ ...first!, policyValue: last!.policyValue }, last!],
    ],
    [
      "its value is none",
      "policy",
      "policy",
      ([first]) => [{ ...first!, policyValue: new Uint8Array(20) }],
    ],
    [
      "its header is none",
      "policy",
      "header",
      ([first]) => [{ ...first!, header: new Uint8Array(3) }],
    ],
  ];
  it.each(forgeries)("is a policy when %s", async (_, kind, reason, forge) => {
    const moving = replaced();
    const node = nodeOf(moving, { signers: keysOf(2, 4) });
    const getPolicyBundles = async (): Promise<PolicyBundle[]> => forge(moving.bundles, moving);
    const found = await foundBy(auditor(moving.anchor(), { ...node, getPolicyBundles }));
    expect([found.kind, found.details["reason"]]).toEqual([kind, reason]);
    const evidence = JSON.parse(found.format({ origin: "o", anchor: "a", atMs: 1 }));
    expect(evidence).toMatchObject({
      received_note: found.evidence.received,
      refused_policy: { policy_value: expect.any(String), history_proof: expect.any(Array) },
    });
  });

  // Those who voted before let others in, in a history that nobody was shown.
  it.each([
    ["consistency", "smaller", 2],
    ["fork", "equal", 1],
    ["consistency", "larger", 0],
  ] as const)("is the head of a policy of another history: %s, %s", async (kind, _, count) => {
    const moving = new MovingVault(THREE);
    const served: Served = { signers: keysOf(1, 2) };
    const node = nodeOf(moving, served);
    const anchor = moving.anchor();
    moving.write(count);
    const saved = await run(auditor(anchor, node));
    moving.write(3);
    const other = new MovingVault(THREE);
    other.move({ voters: [4, 5, 6], quorum: 2 });
    served.signers = keysOf(4, 5);
    const getPolicyBundles = async (): Promise<PolicyBundle[]> => other.bundles;
    const found = await foundBy(auditor(anchor, { ...node, getPolicyBundles }, { saved }));
    expect([found.kind, found.row.exit]).toEqual([kind, "VERIFICATION_FAILED"]);
    const { trusted, received } = found.evidence;
    expect([trusted, received]).toEqual([saved.head.note, other.bundles[0]!.checkpoint]);
  });

  it("is a node that has lost what it signed, though its head is of before the anchor's policy", async () => {
    const moving = new MovingVault({ voters: [1], quorum: 1 });
    const size = moving.vault.size;
    moving.move({ ...THREE });
    const served: Served = { signers: keysOf(1, 2) };
    const node = nodeOf(moving, served);
    const saved = await run(auditor(moving.anchor(2), node));
    Object.assign(served, { signers: keysOf(1), size });
    const lost = new LedgerError("INVALID_ARGUMENT", "was never signed");
    const getConsistencyProof = (): Promise<never> => Promise.reject(lost);
    const one = auditor(moving.anchor(2), { ...node, getConsistencyProof }, { saved });
    expect((await foundBy(one)).kind).toBe("rollback");
  });
});

test("a state file whose policies do not lead on from its anchor is not read", async () => {
  const moving = replaced();
  const node = nodeOf(moving, { signers: keysOf(1, 4) });
  const saved = await run(auditor(moving.anchor(), node));
  const [first, last] = saved.policies;
  for (const policies of [[last!], [first!, first!], [last!, first!]]) {
    const broken = { saved: { ...saved, policies } };
    expect(() => auditor(moving.anchor(), node, broken)).toThrow(/its policies are not proven/);
  }
  const text = formatAuditHead(saved);
  const damaged = text.replace(/"policies": \[[^\]]*\]/, '"policies": [{}]');
  expect(() => parseAuditHead(damaged)).toThrow(/cannot be read/);
});

describe("audit run over a vault whose voters change", () => {
  function audited(moving: MovingVault, served: Served): Audit {
    const data = join(temporaryDirectory(), "data");
    mkdirSync(data);
    const tenant = { organization: 1n, vault: 2n };
    return auditOf({ data, anchor: moving.anchor(), tenant, client: nodeOf(moving, served) });
  }

  it("ends well with --once, and again from its state file", async () => {
    const moving = replaced();
    const served: Served = { signers: keysOf(1, 4) };
    const audit = audited(moving, served);
    await audit.run({}, { once: true });
    expect(audit.said.at(-1)).toBe("6 blocks executed, nothing contradicts");
    expect(JSON.parse(readFileSync(audit.state, "utf8"))).toMatchObject({
      version: 1,
      policies: [{}, {}],
    });
    moving.write(2);
    served.signers = keysOf(2, 4);
    await audit.run({}, { once: true });
    expect(audit.said.at(-1)).toBe("2 blocks executed, nothing contradicts");
  });

  it("follows through a change of voters, and goes on from its state file", async () => {
    const moving = new MovingVault({ voters: [1], quorum: 1 });
    const served: Served = { signers: keysOf(1) };
    const audit = audited(moving, served);
    const change = async (): Promise<void> => {
      moving.move({ ...THREE });
      served.signers = keysOf(2, 3);
    };
    const write = async (): Promise<void> => moving.write();
    await audit.run(watching(audit, change, write));
    expect(audit.said.at(-1)).toBe("4 blocks executed, nothing contradicts");
    moving.write();
    const again = audited(moving, served);
    const state = { state: audit.state };
    await again.run({}, { once: true, ...state });
    expect(again.said.at(-1)).toBe("1 block executed, nothing contradicts");
  });
});
