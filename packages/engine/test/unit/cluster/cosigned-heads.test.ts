/** Signed heads of a cluster of whole engines: majorities, followers, policies that move with the voters, evidence. */
import {
  adoptPolicy,
  adoptPolicyReceipt,
  askState,
  decodeHeader,
  formatReceipt,
  Kind,
  tupleKey,
  verifyCheckpoint,
} from "@authledger/proof";
import type { Consistency, LedgerError } from "@authledger/types";
import { afterEach, describe, expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { POLICY_QUIET_MS } from "../../../src/cluster/policy-keeper.js";
import { FrameKind } from "../../../src/index.js";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import {
  clientDeps,
  createTuple,
  LINEARIZABLE,
  newVault,
  tupleOf,
  writeOne,
} from "../../engine-support.js";
import { LightReader } from "../../light-reader.js";

const ANY: Consistency = { kind: "any", maxStalenessMs: 0 };
const SETTLE_MS = POLICY_QUIET_MS + 4_000;
let cluster: TestCluster;

afterEach(async () => {
  await cluster?.close();
});

/** A client that catches up with the policies as the SDK does. */
async function catchUp(member: ClusterMember, reader: LightReader): Promise<number> {
  const { vault, trust } = reader;
  const { bundles } = await cluster.until(
    member.engine.call("get_policy_bundles", {
      vault,
      epoch: trust.policy.epoch,
      trustedSize: Number(trust.head.size),
    }),
  );
  for (const bundle of bundles) reader.trust = adoptPolicy(reader.trust, bundle, clientDeps);
  return bundles.length;
}

async function check(
  member: ClusterMember,
  reader: LightReader,
  resource = "doc:1",
  consistency = LINEARIZABLE,
): Promise<boolean> {
  const { vault, prove } = reader;
  const nowMs = cluster.time.wallMs;
  const request = { vault, consistency, tuples: [tupleOf(resource)], prove };
  const { allowed, proof } = await cluster.until(
    Promise.resolve(member.engine.call("check", request)),
  );
  reader.verify(proof!, nowMs + 1_000);
  return allowed[0]!;
}

/** Who has cosigned the newest head. */
async function signersOf(member: ClusterMember, reader: LightReader): Promise<number> {
  const request = { vault: reader.vault, consistency: LINEARIZABLE, trustedSize: 0 };
  const { checkpoint } = await cluster.until(
    Promise.resolve(member.engine.call("get_checkpoint", request)),
  );
  const { origin, policy } = reader.trust;
  return verifyCheckpoint(checkpoint, origin, policy, clientDeps).cosigned.length;
}

async function vaultOf(member: ClusterMember): Promise<number> {
  return cluster.until(newVault(member.engine));
}

/** Three nodes, their policies settled, and a client of a vault with one tuple. */
async function three(): Promise<{ leader: ClusterMember; reader: LightReader }> {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const vault = await vaultOf(leader);
  await cluster.until(writeOne(leader.engine, vault, [createTuple("doc:1")]));
  await cluster.run(SETTLE_MS);
  return { leader, reader: await LightReader.of(leader.engine, vault) };
}

const othersThan = (member: ClusterMember): ClusterMember[] =>
  cluster.members.filter((other) => other !== member);

describe("a cluster of three", () => {
  test("serves heads that a majority has signed, and goes on with one replica down", async () => {
    const { leader, reader } = await three();
    expect(reader.trust.policy).toMatchObject({ quorum: 2 });
    expect(reader.trust.policy.cosigners).toHaveLength(3);
    expect(await check(leader, reader)).toBe(true);
    expect(await signersOf(leader, reader)).toBeGreaterThanOrEqual(2);
    cluster.crash(othersThan(leader)[0]!);
    await cluster.until(writeOne(leader.engine, reader.vault, [createTuple("doc:2")]));
    expect(await check(leader, reader, "doc:2")).toBe(true);
    expect(await signersOf(leader, reader)).toBe(2);
  });

  test("refuses proven reads with two replicas down, and says how many cosignatures are missing", async () => {
    const { leader, reader } = await three();
    for (const other of othersThan(leader)) cluster.crash(other);
    const { vault, prove } = reader;
    cluster.time.advance(1_000);
    const request = { vault, consistency: ANY, tuples: [tupleOf("doc:1")], prove };
    const refused: Promise<LedgerError> = rejectedBy(
      Promise.resolve(leader.engine.call("check", request)),
    );
    const { code, details, message } = await cluster.until(refused);
    expect(code).toBe("COSIGNATURES_MISSING");
    expect(details).toMatchObject({ have: 1, need: 2, missing: 1 });
    expect(message).toContain("1 missing");
    // Plain reads that allow it go on.
    const plain = { vault, consistency: ANY, tuples: [tupleOf("doc:1")] };
    const { allowed } = await cluster.until(Promise.resolve(leader.engine.call("check", plain)));
    expect(allowed).toEqual([true]);
  });

  test("answers proven reads on followers, of the state that the leader's head is of", async () => {
    const { leader, reader } = await three();
    for (const follower of othersThan(leader)) {
      expect(await check(follower, reader)).toBe(true);
      expect(await check(follower, reader, "doc:9")).toBe(false);
    }
    // While the vault moves all the time.
    const [follower] = othersThan(leader);
    for (let i = 10; i < 16; i++) {
      const writing = writeOne(leader.engine, reader.vault, [createTuple(`doc:${i}`)]);
      const checking = check(follower!, reader, `doc:${i - 1}`);
      await cluster.until(Promise.all([writing, checking]));
      expect(await check(follower!, reader, `doc:${i}`)).toBe(true);
    }
  });

  test("gives as many cosignatures as a client asks for, or says that they are missing", async () => {
    const { leader, reader } = await three();
    const request = { vault: reader.vault, consistency: LINEARIZABLE, trustedSize: 0 };
    const all = (member: ClusterMember): Promise<string> =>
      cluster
        .until(
          Promise.resolve(member.engine.call("get_checkpoint", { ...request, cosignatures: 3 })),
        )
        .then(({ checkpoint }) => checkpoint);
    const { origin, policy } = reader.trust;
    for (const member of cluster.members) {
      const note = await all(member);
      expect(verifyCheckpoint(note, origin, policy, clientDeps, 3).cosigned).toHaveLength(3);
    }
    cluster.crash(othersThan(leader)[0]!);
    await cluster.run(1_000);
    const refused = await rejectedBy(all(leader));
    expect(refused.code).toBe("COSIGNATURES_MISSING");
  });

  test("signs on after any replica was killed: marks survive, times and sizes do not go back", async () => {
    const { leader, reader } = await three();
    await check(leader, reader);
    for (const name of ["n1", "n2", "n3"]) {
      const victim = cluster.members.find((member) => member.name === name)!;
      cluster.crash(victim);
      await cluster.run(1_000);
      await cluster.restart(victim);
      const now = await cluster.leader();
      await cluster.until(writeOne(now.engine, reader.vault, [createTuple(`doc:${name}`)]));
      expect(await check(now, reader, `doc:${name}`)).toBe(true);
      await cluster.run(2_000);
    }
    for (const member of cluster.members) {
      expect(member.fatal).toEqual([]);
      expect(member.engine.stats().group).toBeDefined();
    }
  });
});

describe("policies", () => {
  test("follow the voters, one bundle for each epoch, for a client that was away all the time (INV-COSIGN-8)", async () => {
    cluster = new TestCluster();
    const founder = await cluster.start("n1", false);
    const vault = await vaultOf(founder);
    const away = await LightReader.of(founder.engine, vault);
    const near = await LightReader.of(founder.engine, vault);
    const later = await LightReader.of(founder.engine, vault);
    expect(await check(founder, near, "doc:1")).toBe(false);
    for (const name of ["n2", "n3"]) await cluster.start(name, true);
    const addresses = cluster.members.map(({ address }) => address);
    await cluster.until(founder.engine.call("cluster_init", { addresses }));
    // Heads go on to satisfy the policy that the client has, while the next one is on its way.
    for (let i = 0; i < 12; i++) {
      expect(await check(founder, near, "doc:1")).toBe(false);
      await cluster.run(500);
    }
    expect(await catchUp(founder, near)).toBeGreaterThan(0);
    expect(near.trust.policy).toMatchObject({ quorum: 2 });
    expect(near.trust.policy.cosigners).toHaveLength(3);
    expect(await check(founder, near, "doc:1")).toBe(false);
    // The founder is replaced: it is let go when no policy needs it any more.
    await cluster.start("n4", true);
    const status = await cluster.status(founder);
    await cluster.until(founder.engine.call("cluster_init", { addresses: ["n4:7401"] }));
    await cluster.run(SETTLE_MS);
    // The leader that is to go hands over first, and the next one removes it.
    for (let isGone = false; !isGone; await cluster.run(100)) {
      const { engine } = await cluster.leader();
      const removing = Promise.resolve(engine.call("cluster_remove", { node: status.nodeId }));
      isGone = await cluster.until(
        removing.then(
          () => true,
          ({ code }: LedgerError) => {
            expect(["POLICIES_PENDING", "NOT_LEADER"]).toContain(code);
            return false;
          },
        ),
      );
    }
    cluster.crash(founder);
    const leader = await cluster.leader();
    const { members } = await cluster.status(leader);
    expect(members.map(({ info }) => info.name).sort()).toEqual(["n2", "n3", "n4"]);
    // Nobody of the first policy is left, and the client still gets there.
    await cluster.run(2_000);
    expect((await rejectedBy(check(leader, away))).details).toMatchObject({ reason: "quorum" });
    expect(await catchUp(leader, away)).toBeGreaterThanOrEqual(3);
    expect(await check(leader, away)).toBe(false);
    expect(away.trust.policy.cosigners).toHaveLength(3);
    expect(away.trust.policy.quorum).toBe(2);
    expect(await catchUp(leader, near)).toBeGreaterThan(0);
    expect(near.trust.policy).toEqual(away.trust.policy);
    // The same bundles as receipts, as they lie beside what is verified later: without a server, from the same policy.
    const about = { vault, epoch: 1, trustedSize: 0 };
    const { bundles } = await cluster.until(leader.engine.call("get_policy_bundles", about));
    let { trust } = later;
    for (const { header, stateProof: inside, policyValue, ...rest } of bundles) {
      const height = BigInt(decodeHeader(header).height);
      const receipt = formatReceipt({ ...rest, header, height, inside });
      trust = adoptPolicyReceipt(trust, { receipt, policyValue }, clientDeps);
    }
    expect(trust.policy).toEqual(away.trust.policy);
  });

  test("let a voter go only when no vault needs it; until then its removal is refused (INV-COSIGN-7)", async () => {
    const { leader, reader } = await three();
    const [gone] = othersThan(leader) as [ClusterMember];
    const { nodeId: node } = await cluster.status(gone);
    const remove = (): Promise<unknown> =>
      cluster.until(Promise.resolve(leader.engine.call("cluster_remove", { node })));
    cluster.crash(gone);
    // Entries get through, cosignatures do not: the policy without the node is written, and nobody can prove it yet.
    cluster.network.lose = (_from, _to, { kind }) => kind === FrameKind.cosignReply;
    const { code, details, retry } = await rejectedBy(remove());
    expect(code).toBe("POLICIES_PENDING");
    expect(details).toMatchObject({ node: String(node) });
    expect(retry.kind).toBe("safe");
    expect((await cluster.status(leader)).members).toHaveLength(3);
    cluster.network.lose = () => false;
    await remove();
    expect((await cluster.status(leader)).members).toHaveLength(2);
    expect(await catchUp(leader, reader)).toBe(1);
    expect(reader.trust.policy).toMatchObject({ epoch: 2, quorum: 2 });
    expect(reader.trust.policy.cosigners).toHaveLength(2);
    await cluster.run(1_000);
    expect(await check(leader, reader)).toBe(true);
  });

  test("of a new vault name every voter, with a majority", async () => {
    const { leader } = await three();
    const vault = await vaultOf(leader);
    const { trust } = await LightReader.of(leader.engine, vault);
    expect(trust.policy).toMatchObject({ epoch: 1, quorum: 2 });
    expect(trust.policy.cosigners).toHaveLength(3);
  });
});

/*
 * A tuple expired between the newest block and the signature of a follower's head, and its client trusted the next block already: to it
 * the answer is historical, and the tuple there. The follower judged by the signature and said that it was not: the good answer of an
 * honest replica was refused as a lie.
 */
test("a follower whose head is older than the client's judges by the block's time, as the client does (INV-ANSWER-1)", async () => {
  const { leader, reader } = await three();
  const { vault } = reader;
  const [follower] = othersThan(leader) as [ClusterMember];
  const tuple = tupleOf("doc:brief");
  const expiresAtMs = Math.ceil(cluster.time.wallMs / 1_000) * 1_000 + 5_000;
  const brief = { op: "create_tuple", tuple, expiresAtMs } as const;
  await cluster.until(writeOne(leader.engine, vault, [brief]));
  await cluster.run(1_000);
  const behind = await LightReader.of(leader.engine, vault);
  const about = { vault, consistency: ANY, prove: behind.prove };
  cluster.time.wallMs = expiresAtMs + 100;
  const ask = { ...about, tuples: [tuple] };
  const current = await cluster.until(Promise.resolve(follower.engine.call("check", ask)));
  expect(current.allowed).toEqual([false]);
  const { size } = behind.verify(current.proof!, cluster.time.wallMs).trust.head;

  // Another client has seen a block that the follower does not get.
  const { nodeId } = follower.engine.identity;
  cluster.network.lose = (_, to, { kind }) => kind === FrameKind.raft && to === nodeId;
  await cluster.until(writeOne(leader.engine, vault, [createTuple("doc:2")]));
  expect(await check(leader, reader, "doc:2")).toBe(true);
  expect(reader.trust.head.size).toBeGreaterThan(size);
  const sizes = { fromSize: Number(size), toSize: Number(reader.trust.head.size) };
  const { engine } = leader;
  const { proof: consistencyProof } = await engine.call("get_consistency_proof", {
    vault,
    ...sizes,
  });
  const { prove } = reader;
  const nowMs = cluster.time.wallMs;
  const checking = follower.engine.call("check", { ...ask, prove });
  const { allowed, proof } = await cluster.until(Promise.resolve(checking));
  const old = reader.verify({ ...proof!, consistencyProof }, nowMs, "any");
  expect([old.kind, old.height]).toEqual(["historical", Number(size) - 1]);
  const get = { kind: "get", key: tupleKey(tuple) } as const;
  expect(askState(old.state!, get, old.timeMs).kind).toBe("present");
  expect(allowed).toEqual([true]);
  // A list by subject is proven with the twins of all that the client takes for alive.
  const { subject } = tuple;
  const listing = follower.engine.call("list_tuples", { ...about, prove, subject, limit: 9 });
  const { tuples, proof: shown } = await cluster.until(listing);
  const { state, timeMs } = reader.verify({ ...shown!, consistencyProof }, nowMs, "any");
  const list = { kind: Kind.tupleBySubject, partition: subject };
  const answer = askState(state!, { kind: "list", list }, timeMs);
  expect(answer).toMatchObject({ kind: "list", records: { length: 2 } });
  expect(tuples).toHaveLength(2);
});

describe("a node whose disk was emptied", () => {
  test("is another cosigner: its key is none that a policy names, and it signs nothing for the old one (signing rule 2)", async () => {
    const { leader, reader } = await three();
    const [victim] = othersThan(leader) as [ClusterMember];
    const before = (await cluster.status(victim)).members.find(
      ({ info }) => info.name === victim.name,
    )!.info;
    cluster.crash(victim);
    cluster.members.splice(cluster.members.indexOf(victim), 1);
    const fresh = await cluster.start(victim.name, true);
    await cluster.run(2_000);
    const status = await cluster.status(fresh);
    expect(status.nodeId).not.toBe(before.nodeId);
    const port = cluster.network.ports.get(fresh.address)!;
    expect(port.identity!.member.cosignKey).not.toEqual(before.cosignKey);
    expect(port.identity!.member.incarnation).not.toEqual(before.incarnation);
    await cluster.run(1_000);
    // The other two go on without it, and it has signed nothing.
    expect(await signersOf(leader, reader)).toBe(2);
  });
});

// The clock of a leader was an hour ahead for a moment. What it then signed it cannot go back behind, and no other signs so late
// a time: for an hour there were no proven reads, no bundles and no removals, though all others were healthy.
test("a leader whose clock was far ahead once gives the leadership away, and proven reads go on", async () => {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const vault = await cluster.until(newVault(leader.engine));
  await cluster.run(SETTLE_MS);
  const reader = await LightReader.of(leader.engine, vault);
  const ask = async ({ engine }: ClusterMember): Promise<LedgerError> => {
    const { prove } = reader;
    const request = { vault, consistency: LINEARIZABLE, tuples: [tupleOf("doc:1")], prove };
    return cluster.until(rejectedBy(Promise.resolve(engine.call("check", request))));
  };
  // Nobody has told it the time for a while: else it would see the jump, and sign nothing.
  cluster.network.lose = (_from, _to, { kind }) => kind === FrameKind.clock;
  await cluster.run(11_000);
  leader.skew.ms = 3_600_000;
  expect((await ask(leader)).code).toBe("COSIGNATURES_MISSING");
  cluster.network.lose = () => false;
  // The peers have told their clocks by now.
  await cluster.run(2_000);
  expect((await ask(leader)).code).toBe("CLOCK_SKEW");
  leader.skew.ms = 0;
  await cluster.run(2_000);
  expect((await ask(leader)).code).toBe("CLOCK_SKEW");
  await cluster.eventually(() => cluster.leaders().some((one) => one !== leader));
  expect(leader.alarms.join()).toContain("another node is to lead");
  expect(await check(await cluster.leader(), reader)).toBe(false);
});
