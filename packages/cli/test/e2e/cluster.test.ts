/**
 * Three real processes as operators and applications see them: `dev --nodes 3`, a leader that is killed under writes, a
 * node that comes and goes, and a restart of each in turn.
 */
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient, createTuple, type LedgerClient } from "@authledger/sdk";
import { ExitCode } from "@authledger/types";
import { expect, it, onTestFinished } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cli, cliHere, launch, startNode } from "./processes.js";

const TEST_MS = 240_000;
const NODES = 4;

interface Dev {
  readonly endpoints: string;
  readonly tenant: { readonly organization: string; readonly vault: string };
  readonly isNew: boolean;
  readonly processes: readonly { name: string; grpc: string; peer: string; pid: number }[];
  readonly says: () => string;
  stop(): Promise<number | string>;
}

/** A port from which on all that the nodes need are free. */
async function freeBase(): Promise<number> {
  for (;;) {
    const base = 20_000 + Math.floor(Math.random() * 300) * 100;
    const ports = Array.from({ length: NODES }, (_, i) =>
      [0, 1, 2, 3].map((n) => base + i * 10 + n),
    );
    const free = await Promise.all(ports.flat().map(isFree));
    if (free.every((one) => one)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(false));
    probe.listen({ host: "127.0.0.1", port }, () => probe.close(() => done(true)));
  });
}

async function startDev(data: string, more: readonly string[]): Promise<Dev> {
  const args = ["dev", "--data", data, "--no-keep-context", "-o", "json", ...more];
  const { child, output, ended } = launch(args);
  while (!output.err.includes("Ctrl-C stops")) {
    if (child.exitCode !== null) throw new Error(output.err);
    await sleep(50);
  }
  const made = JSON.parse(output.out) as Record<string, never>;
  return {
    endpoints: made["grpc"]!,
    tenant: { organization: made["organization"]!, vault: made["vault"]! },
    isNew: made["is_new"]!,
    processes: made["processes"]!,
    says: () => output.err,
    stop: async () => {
      child.kill("SIGINT");
      return (await ended).end;
    },
  };
}

/** Writes one tuple after the other, and remembers those that were acknowledged. */
class Writer {
  readonly #client: LedgerClient;
  readonly acknowledged: string[] = [];
  readonly failures: string[] = [];
  #isEnding = false;
  readonly #done: Promise<void>;

  constructor({ endpoints, tenant }: Dev) {
    this.#client = createClient({ endpoints: endpoints.split(","), tenant, deadlineMs: 20_000 });
    this.#done = this.#run();
    onTestFinished(() => this.#client.close());
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#isEnding; i++) {
      const tuple = `doc:d${i}#viewer@user:u`;
      try {
        const { statuses } = await this.#client.write([createTuple(tuple)]);
        // A write that happened twice under one key says what it said the first time.
        expect(statuses).toEqual(["created"]);
        this.acknowledged.push(tuple);
      } catch (error) {
        this.failures.push(String(error));
      }
      await sleep(5);
    }
  }

  /** Waits until so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    while (this.acknowledged.length < goal) await sleep(10);
  }

  /** Ends, and finds all that was acknowledged, each once, on the node at an endpoint. */
  async end(endpoint: string, tenant: Dev["tenant"]): Promise<void> {
    this.#isEnding = true;
    await this.#done;
    expect(this.failures).toEqual([]);
    const client = createClient({ endpoints: endpoint, tenant, discover: false });
    const rows = await client.list({ subject: "user:u" }).collect(100_000);
    const found = rows.map(({ tuple: { resource } }) => String(resource)).sort();
    expect(found).toEqual(this.acknowledged.map((tuple) => tuple.split("#")[0]!).sort());
    const { height } = await client.hasTuple("doc:d0#viewer@user:u");
    // One block for each write at most, beside genesis and the policies of other voters: what was sent again made none.
    const changes = await client.listChanges().collect(100_000);
    const policies = new Set(
      changes.filter(({ target }) => target.kind !== "tuple").map((change) => change.height),
    );
    policies.delete(0n);
    expect(Number(height)).toBeLessThanOrEqual(this.acknowledged.length + policies.size);
    client.close();
  }
}

it(
  "a cluster of three serves through the loss of its leader, changes of its members and a restart of each",
  async () => {
    const data = join(temporaryDirectory(), "dev");
    const base = await freeBase();
    const dev = await startDev(data, ["--nodes", "3", "--port", String(base)]);
    const env = { AUTHLEDGER_ENDPOINT: dev.endpoints };
    const status = async (field: string): Promise<string> =>
      (await cliHere(["cluster", "status", "--field", field], { env })).out.trim();
    const ready = async (voters: number): Promise<void> => {
      const args = ["cluster", "wait-ready", "--expect", String(voters), "--wait", "60s"];
      const { end, err } = await cliHere([...args, "-o", "name"], { env });
      expect([end, err]).toEqual([0, ""]);
    };
    expect(dev.processes.map(({ name, grpc }) => [name, grpc])).toEqual(
      [0, 10, 20].map((n, i) => [`n${i + 1}`, `127.0.0.1:${base + n}`]),
    );
    await ready(3);
    expect(await status("health")).toBe("healthy");
    const writer = new Writer(dev);
    await writer.more(20);

    // kill -9 of the leader: the others go on, and dev starts it again.
    const leader = await status("leader");
    process.kill(dev.processes.find(({ name }) => name === leader)!.pid, "SIGKILL");
    await writer.more(50);
    await ready(3);
    expect(dev.says()).toContain(`${leader} ended (`);

    // A fourth node comes, as a learner first, and goes again.
    const peer = `127.0.0.1:${base + 31}`;
    const joining = ["--name", "n4", "--peer", peer, "--join", dev.processes[0]!.peer];
    const listening = ["--listen", `127.0.0.1:${base + 30}`];
    const fourth = await startNode(join(data, "fourth"), [...listening, ...joining]);
    expect((await cliHere(["cluster", "status", "-e", fourth.grpc, "-o", "name"])).out).toBe(
      "waiting\n",
    );
    const added = await cliHere(["cluster", "add", peer, "--promote", "-o", "json"], { env });
    expect(JSON.parse(added.out)).toMatchObject({ name: "n4", role: "voter" });
    await ready(4);
    expect((await cliHere(["cluster", "remove", "n4", "--yes"], { env })).end).toBe(0);
    const removed = await fourth.ended;
    expect([removed.end, removed.err]).toEqual([
      ExitCode.REMOVED,
      expect.stringContaining("error[NODE_REMOVED]"),
    ]);
    await ready(3);

    // The leader goes where it is told, and each node is restarted in turn.
    const moved = await cliHere(["cluster", "transfer", "n2", "-o", "name"], { env });
    expect(moved.out).toBe("n2\n");
    await writer.more(20);
    for (const { name } of dev.processes) {
      const before = dev.says().length;
      const { out } = await cli(["cluster", "status", "-o", "json"], { env });
      expect(JSON.parse(out)).toMatchObject({ voters: 3 });
      process.kill(pidOf(dev, name), "SIGTERM");
      while (!dev.says().slice(before).includes(`${name} runs`)) await sleep(20);
      await ready(3);
      await writer.more(10);
    }
    for (const { grpc } of dev.processes.slice(0, 1)) await writer.end(grpc, dev.tenant);
    expect(await dev.stop()).toBe(0);

    // All of it is found again.
    const again = await startDev(data, []);
    expect([again.isNew, again.endpoints, again.tenant]).toEqual([
      false,
      dev.endpoints,
      dev.tenant,
    ]);
    const [last] = writer.acknowledged.slice(-1);
    await using client = createClient({
      endpoints: again.endpoints.split(","),
      tenant: again.tenant,
    });
    expect((await client.hasTuple(last!)).stored).toBe(true);
    expect(await again.stop()).toBe(0);
  },
  TEST_MS,
);

it("nodes that are announced begin together, whichever is started first (L-205)", async () => {
  const directory = temporaryDirectory();
  const base = await freeBase();
  const peers = [0, 1, 2].map((i) => `127.0.0.1:${base + i * 10 + 1}`);
  const start = (i: number): ReturnType<typeof startNode> => {
    const listen = `127.0.0.1:${base + i * 10}`;
    const about = ["--name", `n${i}`, "--listen", listen, "--peer", peers[i]!];
    const together = ["--join", peers.join(","), "--expect", "3"];
    return startNode(join(directory, `n${i}`), [...about, ...together]);
  };
  const late = sleep(1_500).then(() => start(0));
  const nodes = [await start(2), await start(1)];
  expect((await cliHere(["cluster", "status", "-e", nodes[0]!.grpc, "-o", "name"])).end).toBe(
    ExitCode.UNAVAILABLE,
  );
  nodes.push(await late);
  const args = ["cluster", "wait-ready", "--expect", "3", "--wait", "60s", "-o", "json"];
  const ready = await cliHere([...args, "-e", nodes[0]!.grpc]);
  const found = JSON.parse(ready.out) as {
    readonly leader: string;
    readonly members: readonly { readonly name: string; readonly node_id: string }[];
  };
  const ids = [...found.members].sort((a, b) => (BigInt(a.node_id) < BigInt(b.node_id) ? -1 : 1));
  expect(found.leader).toBe(ids[0]!.name);
  for (const node of nodes) node.child.kill("SIGTERM");
  expect(await Promise.all(nodes.map(async ({ ended }) => (await ended).end))).toEqual([0, 0, 0]);
}, 60_000);

/** The process that runs a node now: dev says so when it starts one again. */
function pidOf(dev: Dev, name: string): number {
  const said = [...dev.says().matchAll(new RegExp(`^${name} runs again, pid ([0-9]+)$`, "gm"))];
  const [, pid] = said.at(-1) ?? [];
  return pid === undefined ? dev.processes.find((one) => one.name === name)!.pid : Number(pid);
}
