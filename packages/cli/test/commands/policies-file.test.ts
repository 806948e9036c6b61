/** Receipts and proofs of a vault whose replicas were replaced, held against an anchor of before. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  encodePolicy,
  formatTrustAnchor,
  Kind,
  type Policy,
  type ProofQuestions,
  trustFromAnchor,
  tupleKey,
} from "@authledger/proof";
import { common, type read } from "@authledger/proto";
import { expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import {
  policyOf,
  replica,
  type TestKey,
  TestVault,
} from "../../../proof/test/support/test-vault.js";
import { formatPinned } from "../../../sdk/src/verify/trust-record.js";
import { fakeLedger, NONE } from "../../../sdk/test/support/fake-ledger.js";
import { cliHere, type Ended } from "../e2e/processes.js";

const VERIFIER = fileURLToPath(new URL("../foreign/verify_proof.py", import.meta.url));
const HAS_PYTHON = spawnSync("python3", ["--version"]).status === 0;
const TUPLE = { resource: "document:plan", relation: "viewer", subject: "user:ann" };
const ASKED = "document:plan#viewer@user:ann";
const CONFIG = { lists: [{ kind: Kind.ledgerRecord, partition: "ledger" }] };
/** Who signs in each epoch: nobody of one is in the next. */
const SIGNERS = [1, 4, 7].map((first) => [0, 1, 2].map((i) => replica(first + i)));

function proofMessage(
  vault: TestVault,
  questions: Partial<ProofQuestions>,
  options: { readonly cosigners: readonly TestKey[]; readonly from?: number },
): common.Proof {
  const answer = vault.answer(questions, options);
  return common.Proof.create({
    ...answer,
    historyProof: [...answer.historyProof],
    consistencyProof: [...answer.consistencyProof],
  });
}

/** A vault in its third epoch, and how it came there. */
function movedTwice() {
  const vault = new TestVault();
  const policies: Policy[] = [vault.policy];
  const bundles: read.PolicyBundle[] = [];
  vault.seal([{ op: "create_tuple", tuple: TUPLE, expiresAtMs: 0, value: undefined }]);
  for (const epoch of [2, 3]) {
    const cosigners = SIGNERS[epoch - 1]!.map(({ key }, i) => ({ id: 3 * epoch + i, key }));
    const from = vault.size;
    const policy = policyOf(vault.log, { epoch, cosigners, fromSize: from + 1 });
    const op = vault.setRecord("policy", encodePolicy(policy));
    if (op.op !== "set_record") throw new Error("not a record");
    vault.seal([op]);
    const policyValue = vault.storedValue(op.value);
    const options = { from: epoch === 2 ? 1 : from, cosigners: SIGNERS[epoch - 2]! };
    const proof = proofMessage(vault, CONFIG, options);
    bundles.push({ epoch: BigInt(epoch), policyValue, proof });
    policies.push(policy);
  }
  return { vault, policies, bundles };
}

/** A node that proves what was signed in an epoch, holds a policy, and gives these. */
async function serve(
  vault: TestVault,
  bundlesNow: () => read.PolicyBundle[],
  { epoch = 3, policy = vault.policy } = {},
) {
  const proof = proofMessage(
    vault,
    { gets: [tupleKey(TUPLE)] },
    { cosigners: SIGNERS[epoch - 1]! },
  );
  const ledger = await fakeLedger({
    admin: { getTrustAnchor: () => ({ anchor: formatTrustAnchor({ ...vault.anchor, policy }) }) },
    read: {
      check: () => ({ allowed: true, height: BigInt(vault.size - 1), token: NONE, proof }),
      // Two answers, as where there are more than fit one.
      listPolicyBundles: ({ epoch: known }) => {
        const bundles = bundlesNow();
        return {
          bundles: bundles.filter((bundle) => bundle.epoch > known).slice(0, 1),
          newestEpoch: bundles.at(-1)?.epoch ?? 1n,
        };
      },
    },
  });
  onTestFinished(() => ledger.stop());
  const directory = temporaryDirectory();
  const at = (name: string): string => join(directory, name);
  const tenant = { AUTHLEDGER_ORG: "1", AUTHLEDGER_VAULT: "2" };
  const env = { ...tenant, AUTHLEDGER_ENDPOINT: ledger.endpoint };
  const run = (...args: string[]): Promise<Ended> => cliHere(args, { env });
  return { run, at };
}

/** A proof and a receipt of the third epoch, and how to hold them against an anchor of an epoch. */
async function taken(change: (bundles: read.PolicyBundle[]) => read.PolicyBundle[] = (all) => all) {
  const { vault, policies, bundles: all } = movedTwice();
  const bundles = change(all);
  const { run, at } = await serve(vault, () => bundles);
  const receipt = at("plan.tlog-proof");
  expect((await run("proof", "get", ASKED, "--receipt", "-f", receipt)).end).toBe(0);
  const json = await run("proof", "get", ASKED, "-o", "json");
  writeFileSync(at("plan.json"), json.out);
  const files = [[receipt, ASKED], [at("plan.json")]];
  for (const policy of policies) {
    const { epoch } = policy;
    writeFileSync(at(`anchor-${epoch}`), formatTrustAnchor({ ...vault.anchor, policy }));
  }
  const verify = async (...trust: string[]): Promise<Ended["end"][]> => {
    const ends = files.map((file) => run("proof", "verify", ...file, ...trust, "-q"));
    return (await Promise.all(ends)).map(({ end }) => end);
  };
  const without = (): void => {
    rmSync(`${receipt}.policies`);
    const { policies: _, ...rest } = JSON.parse(json.out) as Record<string, unknown>;
    writeFileSync(at("plan.json"), JSON.stringify(rest));
  };
  return { vault, policies, at, receipt, verify, without };
}

/*
 * All replicas of a vault were replaced, twice. A receipt that was taken then names none of the anchor's replicas: "0 of 2 cosigners
 * have signed", though every client that had followed accepted the same answer.
 */
test.each([1, 2, 3])(
  "are good under the anchor of epoch %i, by the policies that lie with them",
  async (epoch) => {
    const { at, verify, receipt } = await taken();
    expect(JSON.parse(readFileSync(`${receipt}.policies`, "utf8"))).toMatchObject({ format: 1 });
    expect(await verify("--anchor", at(`anchor-${epoch}`))).toEqual([0, 0]);
  },
);

/*
 * The verifier that was written from the documents knew nothing of policies, though commitment.md describes them: it refused what
 * ours accepts.
 */
test.skipIf(!HAS_PYTHON).each([1, 2, 3])(
  "are good under the anchor of epoch %i for a verifier in another language",
  async (epoch) => {
    const { at, receipt, without } = await taken();
    const asked = at("question.json");
    writeFileSync(asked, JSON.stringify({ kind: "tuple", tuple: ASKED }));
    const anchor = at(`anchor-${epoch}`);
    const verdicts = (): unknown[] =>
      [
        [receipt, anchor, asked],
        [at("plan.json"), anchor],
      ].map((files) => spawnSync("python3", [VERIFIER, ...files], { encoding: "utf8" }).status);
    expect(verdicts()).toEqual([0, 0]);
    without();
    expect(verdicts()).toEqual(epoch === 3 ? [0, 0] : [1, 1]);
  },
);

test("are not good under an older anchor without them", async () => {
  const { at, verify, without } = await taken();
  without();
  expect(await verify("--anchor", at("anchor-1"))).toEqual([7, 7]);
  expect(await verify("--anchor", at("anchor-3"))).toEqual([0, 0]);
});

test("are good without them under the policy that the pinned root has come to", async () => {
  const { vault, policies, at, verify, without } = await taken();
  without();
  mkdirSync(at("pins"));
  const pinned = (policy: Policy): void => {
    const anchor = formatTrustAnchor(vault.anchor);
    const trust = { ...trustFromAnchor(vault.anchor), policy };
    writeFileSync(join(at("pins"), "1-2.json"), formatPinned({ anchor, trust }));
  };
  pinned(policies[1]!);
  expect(await verify("--pins", at("pins"))).toEqual([7, 7]);
  pinned(policies[2]!);
  expect(await verify("--pins", at("pins"))).toEqual([0, 0]);
});

test.each<[string, (vault: TestVault, all: read.PolicyBundle[]) => read.PolicyBundle[]]>([
  ["one of them is missing", (_, [, last]) => [last!]],
  [
    "the replicas of the policy before have not signed one",
    (vault, [first, last]) => {
      const proof = proofMessage(vault, CONFIG, { cosigners: SIGNERS[2]! });
      return [first!, { ...last!, proof }];
    },
  ],
  [
    "the value of one is another's",
    (_, [first, last]) => [{ ...first!, policyValue: last!.policyValue }, last!],
  ],
])("are refused where %s", async (_, change) => {
  const { vault } = movedTwice();
  const { at, verify } = await taken((all) => change(vault, all));
  expect(await verify("--anchor", at("anchor-1"))).toEqual([7, 7]);
});

/*
 * The leader proved under the policy of the third epoch; the follower that was asked for the policies had applied those of before.
 * The receipt was written without the one that it needs, and nobody was told: years later it is refused.
 */
test("are asked for again until the one that the proof needs is there", async () => {
  const { vault, policies, bundles } = movedTwice();
  let asked = 0;
  const { run, at } = await serve(vault, () => bundles.slice(0, asked++ < 4 ? 1 : 2));
  const receipt = at("plan.tlog-proof");
  expect((await run("proof", "get", ASKED, "--receipt", "-f", receipt)).end).toBe(0);
  const anchor = at("anchor-1");
  writeFileSync(anchor, formatTrustAnchor({ ...vault.anchor, policy: policies[0]! }));
  expect((await run("proof", "verify", receipt, ASKED, "--anchor", anchor)).end).toBe(0);
});

// While the second policy is on its way heads are signed under the first one, which the state holds no more.
test("are none while the first policy is being replaced, for as long as that takes", async () => {
  const { vault, policies } = movedTwice();
  const { run, at } = await serve(vault, () => [], { epoch: 1, policy: policies[1]! });
  const receipt = at("plan.tlog-proof");
  expect((await run("proof", "get", ASKED, "--receipt", "-f", receipt)).end).toBe(0);
  expect(existsSync(`${receipt}.policies`)).toBe(false);
});

test.each([0, 1])(
  "no receipt is written without the policy that it needs (%i are there)",
  async (count) => {
    const { vault, bundles } = movedTwice();
    const { run, at } = await serve(vault, () => bundles.slice(0, count));
    const { end, err } = await run("proof", "get", ASKED, "--receipt", "-f", at("plan.tlog-proof"));
    expect([end, err]).toEqual([expect.any(Number), expect.stringContaining("STALE_REPLICA")]);
    expect(end).not.toBe(0);
    expect(existsSync(at("plan.tlog-proof"))).toBe(false);
  },
);

test("a file of policies that is none is refused", async () => {
  const { at, verify, receipt } = await taken();
  for (const text of ["{", "[]", '{"format":2,"policies":[]}', '{"format":1,"policies":[{}]}']) {
    writeFileSync(`${receipt}.policies`, text);
    expect((await verify("--anchor", at("anchor-1")))[0]).toBe(7);
  }
});
