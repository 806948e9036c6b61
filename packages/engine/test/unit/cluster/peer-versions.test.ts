/** A cluster in the middle of an upgrade: what an older member does not understand is not proposed. */
import { describe, expect, test } from "vitest";
import { PEER_PROTOCOL_VERSION } from "../../../src/index.js";
import { TestCluster } from "../../cluster-support.js";
import { createTuple, newVault, setEntity, writeOne } from "../../engine-support.js";

describe("INV-PEER-6: while a member runs an older version", () => {
  test("nothing is proposed that it does not know; all else goes on, and afterwards everything", async () => {
    const cluster = await TestCluster.of(3);
    const leader = await cluster.leader();
    const vault = await cluster.until(newVault(leader.engine));
    await cluster.until(writeOne(leader.engine, vault, [setEntity("person:7", "Ann")]));
    const old = cluster.members.find((member) => member !== leader)!;
    const port = cluster.network.ports.get(leader.address)!;
    const said = cluster.network.ports.get(old.address)!.identity!;
    port.connected({ ...said, protocolVersion: PEER_PROTOCOL_VERSION - 1 });
    const about = { actor: "anonymous", reason: "request 11" };
    const target = { key: "person:7" };
    const erasing = { vault, target, keepCurrent: false, ...about };
    await expect(cluster.until(leader.engine.call("erase", erasing))).rejects.toMatchObject({
      code: "UPGRADE_UNFINISHED",
      message: `the nodes ${old.name} run a version that does not know erasure`,
    });
    const organization = (
      await cluster.until(leader.engine.call("list_organizations", { limit: 10 }))
    ).organizations.at(-1)!.slug;
    const suspending = { organization, ...about };
    await expect(
      cluster.until(leader.engine.call("suspend_organization", suspending)),
    ).rejects.toMatchObject({ code: "UPGRADE_UNFINISHED" });
    const written = await cluster.until(
      writeOne(leader.engine, vault, [createTuple("doc:a"), setEntity("person:8", "Ben")]),
    );
    expect(written.kind).toBe("applied");
    // It comes back upgraded, and the cluster goes on with everything.
    port.connected({ ...said, protocolVersion: PEER_PROTOCOL_VERSION });
    const { erased } = await cluster.until(leader.engine.call("erase", erasing));
    expect(erased).toBeGreaterThan(0);
    await cluster.until(leader.engine.call("suspend_organization", suspending));
    expect(cluster.members.flatMap(({ fatal }) => fatal)).toEqual([]);
    await cluster.close();
  });

  test("a member of which nothing was heard keeps nobody from anything: it may be down for long", async () => {
    const cluster = await TestCluster.of(3);
    const leader = await cluster.leader();
    const vault = await cluster.until(newVault(leader.engine));
    await cluster.until(writeOne(leader.engine, vault, [setEntity("person:7", "Ann")]));
    cluster.crash(cluster.members.find((member) => member !== leader)!);
    const about = { actor: "anonymous", reason: "", keepCurrent: false };
    const target = { key: "person:7" };
    await cluster.until(leader.engine.call("erase", { vault, target, ...about }));
    await cluster.close();
  });
});
