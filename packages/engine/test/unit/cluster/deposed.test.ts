/** What a leader answers that was deposed and does not know it yet. */
import { expect, test } from "vitest";
import { rejectedBy } from "../../../../../test/support.js";
import { type ClusterMember, TestCluster } from "../../cluster-support.js";
import { newVault } from "../../engine-support.js";
import { DOCUMENTS, deploy, STRICTER } from "../../models-support.js";

const ABOUT = { actor: "user:ada", reason: "" } as const;
const NOT_LEADING = ["NOT_LEADER", "NO_LEADER"];

/** The leader is cut off; resolves with the next one, while the first one still takes itself for the leader. */
async function depose(cluster: TestCluster, old: ClusterMember): Promise<ClusterMember> {
  const others = cluster.members.filter((one) => one !== old);
  cluster.network.partition(
    [old.address],
    others.map(({ address }) => address),
  );
  const isReady = ({ engine }: ClusterMember): boolean => {
    const { group, appliedIndex } = engine.stats();
    return group.role === "leader" && appliedIndex === group.lastIndex;
  };
  await cluster.eventually(() => others.some(isReady));
  return others.find(isReady)!;
}

const roleOf = ({ engine }: ClusterMember): string => engine.stats().group.role;

/**
 * The story: an organization was suspended at A; A was cut off, and B, elected, took it back into service. Somebody suspended it
 * at A, whose state said so already: acknowledged at once, and the organization went on being served.
 */
test("a deposed leader does not acknowledge that an organization is as somebody wants it", async () => {
  const cluster = await TestCluster.of(3);
  const old = await cluster.leader();
  const { organization } = await cluster.until(
    old.engine.call("create_organization", { name: "acme", actor: ABOUT.actor }),
  );
  const request = { organization: organization.slug, ...ABOUT };
  await cluster.until(old.engine.call("suspend_organization", request));
  const again = await cluster.until(old.engine.call("suspend_organization", request));
  expect(again.organization.status).toBe("suspended");
  await cluster.run(500);
  const next = await depose(cluster, old);
  await cluster.until(next.engine.call("resume_organization", request));
  expect(roleOf(old)).toBe("leader");
  const refused = await rejectedBy(cluster.until(old.engine.call("suspend_organization", request)));
  expect(NOT_LEADING).toContain(refused.code);
  await cluster.close();
});

test("nor that a model is active or deployed already", async () => {
  const cluster = await TestCluster.of(3);
  const old = await cluster.leader();
  const vault = await cluster.until(newVault(old.engine));
  for (const text of [STRICTER, DOCUMENTS]) {
    await cluster.until(deploy({ engine: old.engine, vault }, text));
  }
  const first = { vault, version: 1, ...ABOUT };
  const active = await cluster.until(old.engine.call("activate_model", first));
  const same = await cluster.until(old.engine.call("activate_model", first));
  expect([same.previousVersion, same.at.height]).toEqual([1, active.at.height]);
  await cluster.run(500);
  const next = await depose(cluster, old);
  await cluster.until(next.engine.call("activate_model", { ...first, version: 2 }));
  expect(roleOf(old)).toBe("leader");
  const refused = await rejectedBy(cluster.until(old.engine.call("activate_model", first)));
  expect(NOT_LEADING).toContain(refused.code);
  await cluster.close();
});

test("nor that a node votes, or that it leads itself", async () => {
  const cluster = await TestCluster.of(3);
  const old = await cluster.leader();
  const other = cluster.members.find((one) => one !== old)!;
  const { nodeId: own } = await cluster.status(old);
  const { nodeId: node } = await cluster.status(other);
  await cluster.until(old.engine.call("cluster_promote", { node }));
  await cluster.until(old.engine.call("cluster_transfer", { node: own }));
  await depose(cluster, old);
  expect(roleOf(old)).toBe("leader");
  const asked = [
    old.engine.call("cluster_promote", { node }),
    old.engine.call("cluster_transfer", { node: own }),
  ].map((answer) => rejectedBy(answer));
  for (const { code } of await cluster.until(Promise.all(asked))) {
    expect(NOT_LEADING).toContain(code);
  }
  await cluster.close();
});
