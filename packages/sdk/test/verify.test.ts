/**
 * A verifying client against servers that answer honestly, lie, forget and fork. The vault and its proofs are
 * those of the tests of `proof`: real tries, real signatures.
 */
import { encodePolicy, formatTrustAnchor, Kind, tupleKey } from "@authledger/proof";
import { type common, type read, write } from "@authledger/proto";
import { utf8 } from "@authledger/types";
import { describe, expect, it, vi } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import { policyOf, replica, START_S, TestVault } from "../../proof/test/support/test-vault.js";
import {
  anyReplica,
  atLeast,
  deleteTuple,
  EquivocationError,
  type LedgerClient,
  MemoryRoots,
  type VerifyOptions,
} from "../src/index.js";
import { type FakeHandlers, NONE } from "./support/fake-ledger.js";
import {
  clientOf,
  create,
  honest,
  type Lies,
  now,
  proofMessage,
  reasonOf,
  vaultWith,
  verifying,
  viewer,
} from "./support/honest-vault.js";

describe("a verified answer", () => {
  it("is computed from the proof, whatever the server claims beside it (INV-SDK-4)", async () => {
    const vault = vaultWith(viewer("alice"), viewer("bob"));
    const lies: Lies = { allowed: false };
    const client = await verifying(vault, lies);
    const present = await client.hasTuple(viewer("alice"));
    expect([present.stored, present.height]).toEqual([true, 1n]);
    expect(present.verified).toEqual({
      kind: "current",
      height: 1n,
      timeMs: BigInt((START_S + 2) * 1000),
      origin: "ledger.test/vault",
      trustedSize: 2n,
      trustedRoot: vault.root(),
    });
    lies.allowed = true;
    expect((await client.hasTuple(viewer("eve"))).stored).toBe(false);
    const asked = [viewer("eve"), viewer("bob")];
    expect((await client.hasTuples(asked)).stored).toEqual([false, true]);
  });

  it("judges expiry by the signed time", async () => {
    const vault = new TestVault();
    const endMs = (START_S + 2) * 1000;
    vault.seal([create(viewer("gone"), endMs), create(viewer("here"), endMs + 1)]);
    const client = await verifying(vault, { allowed: true });
    expect((await client.hasTuple(viewer("gone"))).stored).toBe(false);
    expect((await client.hasTuple(viewer("here"))).stored).toBe(true);
  });

  it("shows an entity only with the value that the record commits to", async () => {
    const vault = vaultWith(viewer("alice"));
    const lies: Lies = {};
    const client = await verifying(vault, lies);
    const { entity } = await client.read("theme");
    const dark = new Uint8Array(utf8("dark"));
    expect(entity).toEqual({ key: "theme", value: dark, version: 1n, expiresAtMs: 0n });
    expect((await client.read("missing")).entity).toBeUndefined();
    lies.allowed = true;
    expect(reasonOf(await rejectedBy(client.read("theme")))).toEqual(["PROOF_INVALID", "value"]);
  });

  // What a client asks for once for all its calls had a deadline of its own: a call with 200 ms waited for all of that.
  it("is waited for until the deadline of its call or its signal, and for others the work goes on (INV-SDK-2)", async () => {
    const vault = vaultWith(viewer("alice"));
    now(vault);
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const anchor = formatTrustAnchor(vault.anchor);
    const getTrustAnchor = async () => {
      await gate;
      return { anchor };
    };
    const handlers = { ...honest(vault), admin: { getTrustAnchor } };
    const client = await clientOf(handlers, { trustOnFirstUse: true });
    const controller = new AbortController();
    const patient = client.hasTuples([viewer("alice")], { deadlineMs: 4_000 });
    const ended: string[] = [];
    const calls = [{ deadlineMs: 100 }, { signal: controller.signal }].map(async (options) => {
      const error = await rejectedBy(client.hasTuples([viewer("alice")], options));
      ended.push(error.code);
      controller.abort();
    });
    await Promise.all(calls);
    expect(ended).toEqual(["DEADLINE_EXCEEDED", "CANCELLED"]);
    release();
    expect((await patient).stored).toEqual([true]);
  });

  // The wait for the anchor was of the call's deadline, and the request after it had a whole one again: five seconds became ten, and
  // fifteen for the tip, which is two requests.
  it.each([
    [
      "hasTuples",
      (client: LedgerClient, call: object) => client.hasTuples([viewer("alice")], call),
    ],
    ["getCheckpoint", (client: LedgerClient, call: object) => client.getCheckpoint(call)],
    ["getTip", (client: LedgerClient, call: object) => client.getTip(call)],
  ])("%s gives its requests what is left of its time (INV-SDK-2)", async (_, run) => {
    const vault = vaultWith(viewer("alice"));
    const server = honest(vault);
    const lefts: number[] = [];
    const timed = Object.entries(server.read!).map(([name, handler]) => [
      name,
      (request: never, call: never) => {
        const { getDeadline } = call as { getDeadline: () => Date };
        lefts.push(Number(getDeadline.call(call)) - Date.now());
        return (handler as (request: never, call: never) => unknown)(request, call);
      },
    ]);
    const getTrustAnchor = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return { anchor: formatTrustAnchor(vault.anchor) };
    };
    const handlers = { admin: { getTrustAnchor }, read: Object.fromEntries(timed) };
    const client = await clientOf(handlers, { trustOnFirstUse: true });
    await run(client, { deadlineMs: 5_000, consistency: anyReplica() });
    expect(lefts.at(-1)).toBeLessThan(4_500);
  });

  it("needs a proof", async () => {
    const vault = vaultWith();
    now(vault);
    const handlers = honest(vault);
    const client = await clientOf(
      { ...handlers, read: { check: () => ({ allowed: true, height: 1n, token: NONE }) } },
      { trustOnFirstUse: true, anchor: formatTrustAnchor(vault.anchor) },
    );
    const error = await rejectedBy(client.hasTuple(viewer("alice")));
    expect(reasonOf(error)).toEqual(["PROOF_INSUFFICIENT", "insufficient"]);
  });

  it.each<[string, (proof: common.Proof) => void, string]>([
    ["another state", (proof) => proof.stateProof.set([1], 5), "PROOF_INVALID"],
    ["another header", (proof) => proof.header.set([1], 60), "PROOF_INVALID"],
    ["no inclusion", (proof) => void proof.historyProof.splice(0), "PROOF_INVALID"],
    ["no state", (proof) => Object.assign(proof, { stateProof: NONE }), "PROOF_INSUFFICIENT"],
    ["no consistency", (proof) => void proof.consistencyProof.splice(0), "PROOF_INVALID"],
    [
      "a forged signature",
      (proof) =>
        Object.assign(proof, { checkpoint: proof.checkpoint.replace(/.{6}\n$/, "AAAAA=\n") }),
      "PROOF_INVALID",
    ],
  ])("with %s is refused", async (_, change, code) => {
    const vault = vaultWith(viewer("alice"));
    const client = await verifying(vault, {
      change: (proof) => {
        proof.stateProof = proof.stateProof.slice();
        proof.header = proof.header.slice();
        change(proof);
      },
    });
    expect((await rejectedBy(client.hasTuple(viewer("alice")))).code).toBe(code);
  });

  it("that is too old, or not about the newest block, is not current", async () => {
    const vault = vaultWith(viewer("alice"));
    vault.seal([create(viewer("bob"))]);
    const lies: Lies = {};
    const client = await verifying(vault, lies, { maxAgeS: 10 });
    await client.hasTuple(viewer("alice"));
    lies.size = 2;
    const rolledBack = await rejectedBy(client.hasTuple(viewer("alice")));
    expect(reasonOf(rolledBack)).toEqual(["PROOF_STALE", "not-current"]);
    const old = await client.hasTuple(viewer("bob"), { consistency: anyReplica() });
    expect([old.stored, old.height, old.verified?.kind]).toEqual([false, 1n, "historical"]);
    expect(old.verified?.trustedSize).toBe(3n);
    delete lies.size;
    vi.spyOn(Date, "now").mockImplementation(() => performance.now() + later);
    const later = (START_S + 60) * 1000 - performance.now();
    expect(reasonOf(await rejectedBy(client.hasTuple(viewer("alice"))))).toEqual([
      "PROOF_STALE",
      "stale",
    ]);
  });
});

describe("an answer that may be of a replica behind", () => {
  // A grant was revoked, and the check was to see at least that: a server that lies proved a height from before it, which was
  // accepted as history.
  it("is at least as high as what came with the token (INV-SDK-3)", async () => {
    const vault = vaultWith(viewer("alice"));
    const lies: Lies = {};
    now(vault);
    const server = honest(vault, lies);
    const written = Uint8Array.of(4, 5);
    const revoke = () => {
      vault.seal([{ op: "delete_tuple", tuple: viewer("alice") } as never]);
      const statuses = [write.OperationStatus.OPERATION_STATUS_DELETED];
      const done = { transactionId: NONE, sequence: 1n, height: 2n, statuses, replayed: false };
      return { result: done, token: written };
    };
    const client = await clientOf(
      { ...server, write: { write: revoke } },
      { anchor: formatTrustAnchor(vault.anchor), maxSkewS: 60 },
    );
    const { token } = await client.write([deleteTuple(viewer("alice"))]);
    const ask = (from: string) =>
      client.hasTuples([viewer("alice")], { consistency: atLeast(from) });
    lies.size = 2;
    expect(reasonOf(await rejectedBy(ask(token)))).toEqual(["PROOF_STALE", "not-current"]);
    expect(
      reasonOf(await rejectedBy(client.getCheckpoint({ consistency: atLeast(token) }))),
    ).toEqual(["PROOF_STALE", "not-current"]);
    // A token from elsewhere: nothing is known of it.
    expect((await ask("AAAA")).stored).toEqual([true]);
    delete lies.size;
    const seen = await ask(token);
    expect([seen.stored, seen.height]).toEqual([[false], 2n]);
    lies.size = 2;
    // The token of a verified answer says as much.
    expect(reasonOf(await rejectedBy(ask(seen.token)))).toEqual(["PROOF_STALE", "not-current"]);
  });

  // A token of height 1 came with the head of block 3, which was waited for meanwhile: an honest answer of height 1 was refused.
  it("need not be as high as the head that came with the token of getCheckpoint (INV-SDK-3)", async () => {
    const vault = vaultWith(viewer("alice"));
    vault.seal([create(viewer("bob"))]);
    vault.seal([create(viewer("carol"))]);
    const lies: Lies = {};
    const client = await verifying(vault, lies);
    const { token } = await client.getCheckpoint();
    lies.size = 2;
    const answer = await client.hasTuples([viewer("alice")], { consistency: atLeast(token) });
    expect([answer.stored, answer.height]).toEqual([[true], 1n]);
  });

  it("is of a head that was signed as lately as the caller wants (INV-SDK-3)", async () => {
    const vault = vaultWith(viewer("alice"));
    for (let i = 0; i < 28; i++) vault.seal([create(viewer(`u${i}`))]);
    const lies: Lies = { size: 2, timeS: START_S + 2 };
    const client = await verifying(vault, lies);
    const ask = (maxStalenessMs: number) =>
      client.hasTuples([viewer("u1")], { consistency: anyReplica({ maxStalenessMs }) });
    const error = await rejectedBy(ask(10_000));
    expect(reasonOf(error)).toEqual(["PROOF_STALE", "stale"]);
    for (const age of [0, 40_000]) expect((await ask(age)).stored).toEqual([false]);
    lies.timeS = START_S + 25;
    const behind = await ask(1_000);
    expect([behind.stored, behind.height]).toEqual([[false], 1n]);
  });
});

describe("the pinned root", () => {
  it("begins with the anchor that was given, and with nothing else unless that is allowed", async () => {
    const vault = vaultWith(viewer("alice"));
    now(vault);
    const missing = await clientOf(honest(vault), {});
    expect((await rejectedBy(missing.hasTuple(viewer("alice")))).code).toBe("TRUST_ANCHOR_MISSING");
    const trusting = await clientOf(honest(vault), { trustOnFirstUse: true });
    expect((await trusting.hasTuple(viewer("alice"))).stored).toBe(true);
    const other = formatTrustAnchor(new TestVault({ saltByte: 8 }).anchor);
    const wrong = await clientOf(honest(vault), { anchor: other });
    expect((await rejectedBy(wrong.hasTuple(viewer("alice")))).code).toBe("PROOF_INVALID");
  });

  it("grows with the history, survives the client, and stays that of its anchor", async () => {
    const vault = vaultWith(viewer("alice"));
    const pinnedRoots = new MemoryRoots();
    const first = await verifying(vault, {}, { pinnedRoots });
    await first.hasTuple(viewer("alice"));
    expect(JSON.parse((await pinnedRoots.load("7-9"))!)).toMatchObject({ head: { size: "2" } });
    vault.seal([create(viewer("bob"))]);
    now(vault);
    const second = await clientOf(honest(vault), { pinnedRoots });
    expect((await second.hasTuple(viewer("bob"))).verified?.trustedSize).toBe(3n);
    const other = formatTrustAnchor(new TestVault({ saltByte: 8 }).anchor);
    const third = await clientOf(honest(vault), { pinnedRoots, anchor: other });
    expect(reasonOf(await rejectedBy(third.hasTuple(viewer("bob"))))).toEqual([
      "PROOF_INVALID",
      "anchor",
    ]);
    await pinnedRoots.save("7-9", "{}");
    const fourth = await clientOf(honest(vault), { pinnedRoots });
    expect((await rejectedBy(fourth.hasTuple(viewer("bob")))).code).toBe("CODEC_DECODE");
  });

  it("meets a fork: a distinct error carries both notes, and the old root stays", async () => {
    const vault = vaultWith(viewer("alice"));
    const fork = vaultWith(viewer("mallory"));
    const lies: Lies = {};
    const pinnedRoots = new MemoryRoots();
    const client = await verifying(vault, lies, { pinnedRoots });
    await client.hasTuple(viewer("alice"));
    const before = await pinnedRoots.load("7-9");
    lies.vault = fork;
    const error = await rejectedBy(client.hasTuple(viewer("mallory")));
    if (!(error instanceof EquivocationError)) throw error;
    expect(error.code).toBe("EQUIVOCATION");
    expect(error.trustedNote).toBe(vault.checkpoint());
    expect(error.receivedNote).toBe(fork.checkpoint());
    expect(await pinnedRoots.load("7-9")).toBe(before);
    fork.seal([create(viewer("eve"))]);
    const longer = await rejectedBy(client.hasTuple(viewer("eve")));
    expect(reasonOf(longer)).toEqual(["PROOF_INVALID", "consistency"]);
    expect(longer.details["trusted"]).toBe(vault.checkpoint());
    expect(await pinnedRoots.load("7-9")).toBe(before);
  });

  it("notices a server that lost its newest blocks", async () => {
    const vault = vaultWith(viewer("alice"));
    vault.seal([create(viewer("bob"))]);
    const lies: Lies = {};
    const client = await verifying(vault, lies);
    await client.hasTuple(viewer("bob"));
    lies.size = 2;
    lies.noConsistency = true;
    for (const consistency of [undefined, anyReplica()]) {
      const error = await rejectedBy(client.hasTuple(viewer("bob"), { consistency }));
      expect(reasonOf(error)).toEqual(["PROOF_INVALID", "consistency"]);
    }
  });

  it("links answers that were in flight together: two of them cannot show two histories (INV-SDK-3)", async () => {
    const vault = vaultWith(viewer("alice"));
    const fork = vaultWith(viewer("mallory"));
    fork.seal([create(viewer("eve"))]);
    now(vault);
    const answers = new Map<string, () => void>();
    const both = honest(vault);
    const forked = honest(fork);
    const client = await clientOf(
      {
        admin: both.admin!,
        read: {
          ...both.read,
          check: async (request, call) => {
            const subject = request.tuple!.subject;
            await new Promise<void>((resolve) => answers.set(subject, resolve));
            const isAlice = subject === "user:alice";
            return (isAlice ? both : forked).read!.check!(request, call);
          },
        },
      },
      { anchor: formatTrustAnchor(vault.anchor) },
    );
    const first = client.hasTuple(viewer("alice"));
    const second = rejectedBy(client.hasTuple(viewer("eve"), { consistency: anyReplica() }));
    await vi.waitFor(() => expect(answers.size).toBe(2));
    answers.get("user:alice")!();
    expect((await first).stored).toBe(true);
    answers.get("user:eve")!();
    expect(reasonOf(await second)).toEqual(["PROOF_INVALID", "consistency"]);
  });

  it("takes honest answers that were in flight together, in whichever order they come", async () => {
    const vault = vaultWith(viewer("alice"));
    const server = honest(vault);
    const answers: (() => void)[] = [];
    now(vault);
    const client = await clientOf(
      {
        ...server,
        read: {
          ...server.read,
          check: async (request, call) => {
            const response = await server.read!.check!(request, call);
            await new Promise<void>((resolve) => answers.push(resolve));
            return response;
          },
        },
      },
      { anchor: formatTrustAnchor(vault.anchor) },
    );
    const early = client.hasTuple(viewer("alice"));
    await vi.waitFor(() => expect(answers).toHaveLength(1));
    vault.seal([create(viewer("bob"))]);
    vault.seal([create(viewer("carol"))]);
    const late = client.hasTuple(viewer("carol"));
    await vi.waitFor(() => expect(answers).toHaveLength(2));
    answers[1]!();
    expect((await late).verified?.trustedSize).toBe(4n);
    answers[0]!();
    expect((await early).height).toBe(1n);
    expect((await client.getCheckpoint()).isVerified).toBe(true);
  });
});

describe("verified blocks and heads", () => {
  it("are in the history; all transactions of a block are there", async () => {
    const vault = vaultWith(viewer("alice"));
    vault.seal([create(viewer("bob"))]);
    const client = await verifying(vault);
    const block = await client.getBlock(1n, { transactions: true });
    expect(block.header).toEqual(vault.headers[1]);
    expect(block.blockHash).toEqual(vault.blockHashes()[1]);
    expect(block.transactions).toEqual(vault.blocks[1]);
    expect(block.verified).toMatchObject({ height: 1n, kind: "historical" });
    const tip = await client.getTip();
    expect([tip.height, tip.blockHash]).toEqual([2n, vault.blockHashes()[2]]);
    const head = await client.getCheckpoint();
    expect([head.isVerified, head.checkpoint]).toEqual([true, vault.checkpoint()]);
  });

  it("of another height, of other transactions, or of a fork are refused", async () => {
    const vault = vaultWith(viewer("alice"));
    vault.seal([create(viewer("bob"))]);
    const lies: Lies = {};
    now(vault);
    const server = honest(vault, lies);
    let shown: number | undefined;
    let transactions: Uint8Array[] | undefined;
    const client = await clientOf(
      {
        ...server,
        read: {
          ...server.read,
          getBlock: async (request, call) => {
            const height = shown === undefined ? request.height : BigInt(shown);
            const answer = await server.read!.getBlock!({ ...request, height }, call);
            return transactions === undefined ? answer : { ...answer, transactions };
          },
        },
      },
      { anchor: formatTrustAnchor(vault.anchor) },
    );
    shown = 1;
    expect(reasonOf(await rejectedBy(client.getBlock(2n)))).toEqual(["PROOF_INVALID", "header"]);
    shown = undefined;
    for (transactions of [[], vault.blocks[1]!]) {
      const error = await rejectedBy(client.getBlock(2n, { transactions: true }));
      expect(reasonOf(error)).toEqual(["PROOF_INVALID", "inclusion"]);
    }
    lies.vault = vaultWith(viewer("mallory"));
    lies.vault.seal([create(viewer("eve"))]);
    expect(await rejectedBy(client.getCheckpoint())).toBeInstanceOf(EquivocationError);
  });
});

describe("more cosignatures than the policy's quorum", () => {
  it("are asked for, and an answer with fewer is refused with how many it has", async () => {
    const vault = vaultWith(viewer("alice"));
    let cosigners = [replica(1), replica(2), replica(3)];
    const asked: (number | undefined)[] = [];
    const handlers: FakeHandlers = {
      read: {
        check: ({ tuple, prove }) => {
          asked.push(prove?.cosignatures);
          const proof = proofMessage(vault, { gets: [tupleKey(tuple!)] }, { cosigners });
          return { allowed: true, height: 1n, token: NONE, proof };
        },
      },
    };
    const client = await pinnedTo(vault, handlers, { cosignatures: 3 });
    expect((await client.hasTuple(viewer("alice"))).stored).toBe(true);
    cosigners = cosigners.slice(1);
    const error = await rejectedBy(client.hasTuple(viewer("alice")));
    expect([error.code, error.details["reason"]]).toEqual(["PROOF_INVALID", "cosignatures"]);
    expect(error.message).toContain("2 of the 3 cosigners");
    expect(asked).toEqual([3, 3]);
  });

  it.each([-1, 1.5, 65])("cannot be %d", async (cosignatures) => {
    const vault = vaultWith(viewer("alice"));
    const client = await pinnedTo(vault, {}, { cosignatures });
    expect((await rejectedBy(client.hasTuple(viewer("alice")))).code).toBe("INVALID_ARGUMENT");
  });
});

describe("policies that moved (INV-SDK-10)", () => {
  const NEW = [replica(4), replica(5)];

  /** Replicas 1 to 3 make way for 4 and 5: a vault whose heads from size 3 on the new ones sign, and the bundle. */
  function moved(): { vault: TestVault; bundle: read.PolicyBundle } {
    const vault = vaultWith(viewer("alice"));
    const cosigners = NEW.map(({ key }, i) => ({ id: 4 + i, key }));
    const next = policyOf(vault.log, { epoch: 2, cosigners, quorum: 2, fromSize: 3 });
    const op = vault.setRecord("policy", encodePolicy(next));
    vault.seal([op]);
    if (op.op !== "set_record") throw new Error("not a record");
    const policyValue = vault.storedValue(op.value);
    const shown = { lists: [{ kind: Kind.ledgerRecord, partition: "ledger" }] };
    return { vault, bundle: { epoch: 2n, policyValue, proof: proofMessage(vault, shown) } };
  }

  function serving(vault: TestVault, bundles: readonly read.PolicyBundle[]): FakeHandlers {
    return {
      read: {
        check: ({ tuple, prove }) => {
          const from = Number(prove!.trustedSize);
          const options = { from, cosigners: NEW, timeS: START_S + 3 };
          const proof = proofMessage(vault, { gets: [tupleKey(tuple!)] }, options);
          return { allowed: false, height: 2n, token: NONE, proof };
        },
        listPolicyBundles: ({ epoch }) => ({
          bundles: epoch === 1n ? [...bundles] : [],
          newestEpoch: 2n,
        }),
        getConsistencyProof: ({ fromSize, toSize }) => ({
          proof: vault.consistency(Number(fromSize), Number(toSize)),
        }),
      },
    };
  }

  it("are adopted by their bundles when the replicas of before sign no more, and pinned", async () => {
    const { vault, bundle } = moved();
    const pinnedRoots = new MemoryRoots();
    const client = await pinnedTo(vault, serving(vault, [bundle]), { pinnedRoots });
    expect((await client.hasTuple(viewer("alice"))).stored).toBe(true);
    // Another client of these pins needs no bundle any more.
    const again = await pinnedTo(vault, serving(vault, []), { pinnedRoots });
    expect((await again.hasTuple(viewer("eve"))).stored).toBe(false);
  });

  it("are not believed without a bundle, nor by one that the old replicas have not signed", async () => {
    const { vault, bundle } = moved();
    const without = await pinnedTo(vault, serving(vault, []));
    const quorum = ["PROOF_INVALID", "quorum"];
    expect(reasonOf(await rejectedBy(without.hasTuple(viewer("alice"))))).toEqual(quorum);
    const options = { cosigners: NEW, from: 1 };
    const shown = { lists: [{ kind: Kind.ledgerRecord, partition: "ledger" }] };
    const forged = { ...bundle, proof: proofMessage(vault, shown, options) };
    const lied = await pinnedTo(vault, serving(vault, [forged]));
    expect(reasonOf(await rejectedBy(lied.hasTuple(viewer("alice"))))).toEqual(quorum);
  });
});

/** A client that was given the vault's first policy, at a server that answers so. */
async function pinnedTo(
  vault: TestVault,
  handlers: FakeHandlers,
  verify: VerifyOptions = {},
): Promise<LedgerClient> {
  now(vault);
  return clientOf(handlers, { anchor: formatTrustAnchor(vault.anchor), ...verify });
}
