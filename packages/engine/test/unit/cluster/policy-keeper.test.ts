/** Policies that move with the voters while nodes, leaders and vaults come and go. */
import { NodeHasher } from "@authledger/io";
import { decodeMessage, isConfigurationChange } from "@authledger/raft";
import { type LedgerError, type NodeId, nodeId } from "@authledger/types";
import { afterEach, expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { PolicyKeeper } from "../../../src/cluster/policy-keeper.js";
import { FrameKind, type MemberInfo } from "../../../src/index.js";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import { createTuple, newVault, TestTime, writeOne } from "../../engine-support.js";

const ACTOR = "user:ada";
let cluster: TestCluster;

afterEach(async () => {
  await cluster?.close();
});

const othersThan = (member: ClusterMember): ClusterMember[] =>
  cluster.alive.filter((other) => other !== member);

async function vaultOf(member: ClusterMember): Promise<number> {
  return cluster.until(newVault(member.engine));
}

/** Asks whoever leads to remove a node, once. */
async function removal(node: NodeId): Promise<LedgerError | undefined> {
  const { engine } = await cluster.leader();
  const removing = Promise.resolve(engine.call("cluster_remove", { node }));
  return cluster.until(
    removing.then(
      () => undefined,
      (error: LedgerError) => error,
    ),
  );
}

/** Has the node everything that this leader has? */
function hasCaughtUp({ engine }: ClusterMember, node: NodeId): boolean {
  const { lag } = engine.stats().group;
  return lag.some((other) => other.node === node && other.entries === 0);
}

const loseCosignatures = (): void => {
  cluster.network.lose = (_from, _to, { kind }) => kind === FrameKind.cosignReply;
};

const loseNothing = (): void => {
  cluster.network.lose = () => false;
};

// Seeds 1067 and 2018 of the simulation: the disk of a voter was lost just after others had been promoted. The policies, which
// followed seconds later, still needed exactly that voter, so its removal was refused for ever.
test("a promotion is answered when the policies name the new voter: the loss of another is borne from then on (INV-COSIGN-7)", async () => {
  cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  const vault = await vaultOf(founder);
  for (const name of ["n2", "n3"]) {
    const { address } = await cluster.start(name, true);
    const { member } = await cluster.until(founder.engine.call("cluster_add", { address }));
    // However many turns it takes until it has the log.
    await cluster.eventually(() => hasCaughtUp(founder, member.nodeId));
    await cluster.until(founder.engine.call("cluster_promote", { node: member.nodeId }));
  }
  expect(founder.engine.stats().arePoliciesSettled).toBe(true);
  // A new voter asks for the log seed once a second; how soon it has it is not what this is about.
  await cluster.run(1_500);
  const { nodeId: node } = await cluster.status(founder);
  cluster.crash(founder);
  expect(await removal(node)).toBeUndefined();
  const leader = await cluster.leader();
  expect((await cluster.status(leader)).members).toHaveLength(2);
  await cluster.until(writeOne(leader.engine, vault, [createTuple("doc:1")]));
});

test("a cluster that was begun of several bears the loss of its first node at once", async () => {
  cluster = await TestCluster.of(3);
  const [founder] = cluster.members;
  // The others hold the log seed.
  await cluster.run(1_500);
  const { nodeId: node } = await cluster.status(founder!);
  cluster.crash(founder!);
  expect(await removal(node)).toBeUndefined();
});

// The system vault goes first, and what it could not settle kept all others from being looked at.
test("a vault whose old policy nobody can satisfy holds up no other, and the refusal says what it lacks", async () => {
  cluster = new TestCluster();
  const founder = await cluster.start("n1", false);
  for (const name of ["n2", "n3"]) await cluster.start(name, true);
  loseCosignatures();
  const addresses = cluster.members.map(({ address }) => address);
  await cluster.until(founder.engine.call("cluster_init", { addresses }));
  expect(founder.engine.stats().arePoliciesSettled).toBe(false);
  await vaultOf(founder);
  await cluster.run(500);
  const { nodeId: node } = await cluster.status(founder);
  cluster.crash(founder);
  loseNothing();
  let refused: LedgerError | undefined;
  for (let tries = 0; tries < 4; tries++) refused = await removal(node);
  // The system vault needs the founder; the other one has moved on.
  expect(refused).toMatchObject({ code: "POLICIES_PENDING", details: { vaults: 1 } });
  expect(refused!.message).toContain("has 0 cosignatures of 1 replicas and needs 1");
  // A founder that was only down lets itself go once it is back.
  await cluster.restart(founder);
  await cluster.run(4_000);
  expect(await removal(node)).toBeUndefined();
});

test("a policy whose leader is lost before the bundle is kept is brought to its end by the next one (INV-COSIGN-8)", async () => {
  cluster = await TestCluster.of(5);
  const leader = await cluster.leader();
  await vaultOf(leader);
  await cluster.run(1_000);
  const [gone] = othersThan(leader);
  const { nodeId: node } = await cluster.status(gone!);
  cluster.crash(gone!);
  loseCosignatures();
  expect(await removal(node)).toMatchObject({ code: "POLICIES_PENDING" });
  cluster.crash(leader);
  loseNothing();
  await cluster.run(2_000);
  expect(await removal(node)).toBeUndefined();
  const { nodeId: second } = await cluster.status(leader);
  expect(await removal(second)).toBeUndefined();
  expect((await cluster.status(await cluster.leader())).members).toHaveLength(3);
});

test("vaults that are created, deleted or left alone while voters change all settle", async () => {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const { engine } = leader;
  await vaultOf(leader); // Nobody writes to it.
  const made = await cluster.until(engine.call("create_organization", { name: "b", actor: ACTOR }));
  const organization = made.organization.slug;
  const { vault } = await cluster.until(
    engine.call("create_vault", { organization, name: "v", actor: ACTOR }),
  );
  const [gone] = othersThan(leader);
  const { nodeId: node } = await cluster.status(gone!);
  cluster.crash(gone!);
  const removing = rejectedOrDone(engine.call("cluster_remove", { node }));
  const during = [newVault(engine), newVault(engine)];
  const deleting = engine.call("delete_vault", { organization, vault: vault.slug, actor: ACTOR });
  await cluster.until(Promise.all([removing, deleting, ...during]));
  expect(await removal(node).then((error) => error?.code ?? "done")).toMatch(/done|NOT_FOUND/);
  await cluster.run(1_500);
  expect(engine.stats().arePoliciesSettled).toBe(true);
});

test("a leader that leads again looks at all vaults again", async () => {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  await cluster.run(1_000);
  expect(leader.engine.stats().arePoliciesSettled).toBe(true);
  const [other] = othersThan(leader);
  const { nodeId: own } = await cluster.status(leader);
  const { nodeId: node } = await cluster.status(other!);
  await cluster.until(leader.engine.call("cluster_transfer", { node }));
  // The other leader writes policies without the first one, which then leads again.
  loseCosignatures();
  await rejectedBy(cluster.until(other!.engine.call("cluster_remove", { node: own })));
  loseNothing();
  await cluster.run(1_000);
  await cluster.until(other!.engine.call("cluster_transfer", { node: own }));
  await cluster.run(50);
  expect(leader.engine.stats().arePoliciesSettled).toBe(false);
  await cluster.run(5_000);
  expect(leader.engine.stats().arePoliciesSettled).toBe(true);
});

// A voter was promoted and let go again before every vault had its name: the target came back to what had been settled before,
// so nothing was looked at, the removal passed at once, and vaults went on needing whoever was gone.
test("a voter that was promoted and is removed before all vaults name it is let go by all of them first (INV-COSIGN-7)", async () => {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const vault = await vaultOf(leader);
  await cluster.run(3_000);
  expect(leader.engine.stats().arePoliciesSettled).toBe(true);
  const { address } = await cluster.start("n4", true);
  const { member } = await cluster.until(leader.engine.call("cluster_add", { address }));
  await cluster.run(500);
  const { nodeId: node } = member;
  loseCosignatures();
  await cluster.until(leader.engine.call("cluster_promote", { node }));
  expect(leader.engine.stats().arePoliciesSettled).toBe(false);
  expect(await removal(node)).toMatchObject({ code: "POLICIES_PENDING" });
  loseNothing();
  await cluster.run(2_000);
  expect(await removal(node)).toBeUndefined();
  // The loss of another is borne at once.
  const [lost] = othersThan(leader).filter(({ address: other }) => other !== address);
  const { nodeId: second } = await cluster.status(lost!);
  cluster.crash(lost!);
  expect(await removal(second)).toBeUndefined();
  await cluster.until(writeOne(leader.engine, vault, [createTuple("doc:1")]));
});

// The first removal had let the vaults go of its node and was given up; the target that came back a minute later was that of
// before, which counted as settled, and the vaults were never brought back.
test("a removal that is given up half way is undone in every vault", async () => {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  await vaultOf(leader);
  await cluster.run(3_000);
  const [kept, other] = othersThan(leader);
  const { nodeId: node } = await cluster.status(other!);
  loseCosignatures();
  expect(await removal(node)).toMatchObject({ code: "POLICIES_PENDING" });
  // All is as it was, as far as the voters say; the vaults say otherwise.
  await cluster.run(61_000);
  expect(leader.engine.stats().arePoliciesSettled).toBe(false);
  loseNothing();
  await cluster.run(3_000);
  expect(leader.engine.stats().arePoliciesSettled).toBe(true);
  const { nodeId: second } = await cluster.status(kept!);
  cluster.crash(kept!);
  expect(await removal(second)).toBeUndefined();
});

// Each of two calls said every 50 ms that its own node is the one that leaves: each undid the other's work.
test("two voters that are removed at once are removed one after the other", async () => {
  cluster = await TestCluster.of(5);
  const leader = await cluster.leader();
  await vaultOf(leader);
  await cluster.run(3_000);
  const [a, b] = othersThan(leader);
  const nodes = [await cluster.status(a!), await cluster.status(b!)].map(({ nodeId }) => nodeId);
  loseCosignatures();
  const first = removal(nodes[0]!);
  const second = removal(nodes[1]!);
  await first;
  const refused = await second;
  expect(refused).toMatchObject({ code: "POLICIES_PENDING", retry: { kind: "safe" } });
  expect(refused!.message).toContain(`without node ${nodes[0]}`);
  loseNothing();
  const both = await Promise.all(nodes.map((node) => removal(node)));
  expect(both).toEqual([undefined, undefined]);
  expect((await cluster.status(leader)).members).toHaveLength(3);
});

// The first removal lay in the log and could not be committed; five seconds later the vaults were moved on to policies without
// the second node, behind it in the log: they named the first, and nobody could cosign for it once it was no voter.
test("a removal that is not committed yet lets no other voter go: no policy is written behind it (INV-COSIGN-7)", async () => {
  cluster = await TestCluster.of(3);
  const leader = await cluster.leader();
  const vault = await vaultOf(leader);
  await cluster.run(3_000);
  const [a, b] = othersThan(leader);
  const nodes = [await cluster.status(a!), await cluster.status(b!)].map(({ nodeId }) => nodeId);
  cluster.crash(a!);
  let isStuck = false;
  cluster.network.lose = (_from, _to, { kind, payload }) => {
    if (kind !== FrameKind.raft) return false;
    const message = decodeMessage(payload);
    if (message.type === "append") {
      isStuck ||= message.entries.some((entry) => isConfigurationChange(entry.payload));
    }
    return isStuck && message.type === "append";
  };
  const remove = (node: NodeId): Promise<unknown> =>
    Promise.resolve(leader.engine.call("cluster_remove", { node }));
  const first = remove(nodes[0]!);
  await cluster.eventually(() => isStuck);
  await cluster.run(6_000);
  const second = remove(nodes[1]!);
  await cluster.run(500);
  loseNothing();
  await cluster.until(first);
  await cluster.until(second);
  expect((await cluster.status(leader)).members).toHaveLength(1);
  await cluster.until(writeOne(leader.engine, vault, [createTuple("doc:1")]));
});

// All clocks were an hour ahead while heads were renewed, and were set back. The round ended at the first vault whose mark was
// ahead, at each tick anew.
test("vaults that were signed with a time far ahead hold up no other, and the refusal says so", async () => {
  cluster = await TestCluster.of(3);
  const before = await cluster.leader();
  await cluster.run(3_000);
  for (const { skew } of cluster.members) skew.ms = 3_600_000;
  await cluster.run(40_000);
  for (const { skew } of cluster.members) skew.ms = 0;
  await cluster.run(2_000);
  const vault = await vaultOf(await cluster.leader());
  const [gone] = othersThan(await cluster.leader());
  const { nodeId: node } = await cluster.status(gone!);
  cluster.crash(gone!);
  let refused: LedgerError | undefined;
  for (let tries = 0; tries < 4; tries++) refused = await removal(node);
  expect(refused!.code).toBe("POLICIES_PENDING");
  const { engine } = await cluster.leader();
  const asked = { vault, epoch: 1, trustedSize: 0 };
  const { bundles } = await cluster.until(engine.call("get_policy_bundles", asked));
  expect(bundles).not.toHaveLength(0);
  expect(refused!.message).toContain("ahead of its clock");
  expect(before.fatal).toEqual([]);
});

// A leader of three that was a second old and wrote somebody's new address had looked at nothing yet: a vault that was created
// just then named the leader alone, as if the cluster were being begun, and its heads were good with one signature.
test("a leader's first vault names all voters, also while its first change of members is under way (INV-COSIGN-7)", () => {
  const time = new TestTime();
  const three = [1n, 2n, 3n].map((id) => ({
    nodeId: nodeId(id),
    incarnation: new Uint8Array(16),
    cosignKey: new Uint8Array(32).fill(Number(id)),
  })) as unknown as MemberInfo[];
  let voters: readonly MemberInfo[] | undefined;
  const hasher = new NodeHasher();
  const parts = { hasher, clock: time, timers: time, voters: () => voters };
  const keeper = new PolicyKeeper(
    parts as unknown as ConstructorParameters<typeof PolicyKeeper>[0],
  );
  // It begins: nobody votes yet, and its own key is all there is.
  keeper.start();
  expect(keeper.cosigners).toEqual([]);
  voters = three;
  keeper.start();
  voters = undefined;
  expect(keeper.cosigners).toEqual(three);
});

function rejectedOrDone(promise: unknown): Promise<void> {
  return Promise.resolve(promise).then(
    () => undefined,
    () => undefined,
  );
}
