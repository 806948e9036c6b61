/**
 * Real nodes over real gRPC, killed with SIGKILL while they are written to: whatever was acknowledged is there
 * after the restart, with a proof, under a head that extends every head seen before.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createTuple, type LedgerClient, MemoryRoots } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { expect, it } from "vitest";
import { temporaryDirectory, testRandom, testRounds } from "../../../../test/support.js";
import { type NodeUnderTest, startNode } from "./processes.js";

const WRITERS = 8;
const TUPLES_PER_WRITE = 5;
const KILL_MS_MAX = 400;
const ROUNDS = 6;

interface Tenant {
  readonly organization: bigint;
  readonly vault: bigint;
}

it("nothing that was acknowledged is lost by kill -9 under load, round after round, and all of it is proven", async () => {
  const random = testRandom("kill -9");
  const data = join(temporaryDirectory(), "data");
  const acknowledged: string[] = [];
  const pins = new MemoryRoots();
  let node = await startNode(data);
  const tenant = await setUp(node);
  const anchor = await anchorOf(node, tenant);
  for (let round = 0; round < testRounds(ROUNDS); round++) {
    const before = acknowledged.length;
    const writing = writeUntilDead(node, tenant, round, acknowledged);
    while (acknowledged.length === before) await sleep(5);
    await sleep(random.int(KILL_MS_MAX));
    expect((await node.end("SIGKILL")).end).toBe("SIGKILL");
    await writing;
    node = await startNode(data);
    const fresh = acknowledged.slice(before);
    const old = Array.from({ length: 50 }, () => acknowledged[random.int(acknowledged.length)]!);
    await expectAllProven(node, tenant, anchor, pins, [...fresh, ...old]);
  }
  await expectAllProven(node, tenant, anchor, new MemoryRoots(), acknowledged);
  expect((await node.end("SIGTERM")).end).toBe(0);
});

it("a node that is killed while it starts, again and again, still starts with everything", async () => {
  const random = testRandom("kill -9 while starting");
  const data = join(temporaryDirectory(), "data");
  const acknowledged: string[] = [];
  let node = await startNode(data);
  const tenant = await setUp(node);
  const anchor = await anchorOf(node, tenant);
  const writing = writeUntilDead(node, tenant, 0, acknowledged);
  await sleep(500);
  await node.end("SIGKILL");
  await writing;
  for (let round = 0; round < testRounds(5); round++) {
    const starting = startNode(data).then((started) => started.end("SIGKILL"));
    starting.catch(() => undefined);
    await Promise.race([starting, sleep(random.int(500))]);
    const other = startNode(data).catch((error: unknown) => error as Error);
    const outcome = await other;
    // The first one still holds the directory, or is gone already.
    if (outcome instanceof Error) expect(outcome.message).toContain("DATA_DIR_IN_USE");
    else await outcome.end("SIGKILL");
    await starting.catch(() => undefined);
  }
  node = await startNode(data);
  await expectAllProven(node, tenant, anchor, new MemoryRoots(), acknowledged);
});

async function setUp(node: NodeUnderTest): Promise<Tenant> {
  await using client = createClient({ endpoints: node.grpc });
  const { slug: organization } = await client.admin.createOrganization("kill");
  const { slug: vault } = await client.admin.createVault({ organization, name: "kill" });
  return { organization, vault };
}

async function anchorOf(node: NodeUnderTest, tenant: Tenant): Promise<string> {
  await using client = createClient({ endpoints: node.grpc });
  return await client.admin.getTrustAnchor(tenant);
}

/** Several writers, each going on until the node is gone; what is answered is noted. */
async function writeUntilDead(
  node: NodeUnderTest,
  tenant: Tenant,
  round: number,
  acknowledged: string[],
): Promise<void> {
  await using client = createClient({ endpoints: node.grpc, tenant, attemptsMax: 1 });
  const write = async (writer: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const tuples = Array.from(
        { length: TUPLES_PER_WRITE },
        (_, k) => `doc:r${round}-w${writer}-${i}#viewer@user:u${k}`,
      );
      try {
        await client.write(tuples.map((tuple) => createTuple(tuple)));
      } catch (error) {
        // The client stops to try an endpoint that refused some calls.
        expect(["UNAVAILABLE", "CIRCUIT_OPEN"]).toContain(LedgerError.from(error).code);
        return;
      }
      acknowledged.push(...tuples);
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
}

/** Read back by a client that takes nothing on trust, against the anchor of the first start. */
async function expectAllProven(
  node: NodeUnderTest,
  tenant: Tenant,
  anchor: string,
  pinnedRoots: MemoryRoots,
  tuples: readonly string[],
): Promise<void> {
  const verify = { anchor, pinnedRoots };
  await using client = createClient({ endpoints: node.grpc, tenant, verify, deadlineMs: 20_000 });
  for (let from = 0; from < tuples.length; from += 500) {
    const part = tuples.slice(from, from + 500);
    const { stored, verified } = await client.hasTuples(part);
    expect(part.filter((_, i) => !stored[i])).toEqual([]);
    expect(verified?.kind).toBe("current");
  }
  await expectAbsent(client);
}

async function expectAbsent(client: LedgerClient): Promise<void> {
  const { stored, verified } = await client.hasTuple("doc:never#viewer@user:written");
  expect([stored, verified?.kind]).toEqual([false, "current"]);
}
