/** The operator of simulated clusters: what it takes for granted, and what it waits for. */
import type { ClusterStatus } from "@authledger/engine";
import { nodeId } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { drawSettings } from "../../src/cluster/cluster-settings.js";
import { EventLoop } from "../../src/cluster/event-loop.js";
import { EventTrace } from "../../src/cluster/event-trace.js";
import type { Machine } from "../../src/cluster/machine.js";
import { Membership } from "../../src/cluster/membership.js";
import { Sometimes } from "../../src/cluster/sometimes.js";

const LEADER = 0;
const DAMAGED = 2;

/** Three voters that say what a test has them say; the last has a store that a scrubber finds damaged. */
class Bench {
  readonly loop = new EventLoop();
  readonly #machines: readonly Machine[];
  doubtful: ReadonlySet<number> = new Set();
  isLed = true;
  /** What a removal waits for. */
  removal: Promise<object> = Promise.resolve({});
  readonly reformatted: number[] = [];
  readonly membership: Membership;

  constructor() {
    const { loop } = this;
    const machines = [0, 1, 2].map((index) => this.#machine(index));
    this.#machines = machines;
    const trace = new EventTrace(() => loop.now);
    const settings = { ...drawSettings(1, { voters: 3, machines: 3 }), bootstrap: "one" } as const;
    const deps = { settings, loop, trace, machines, sometimes: new Sometimes() };
    this.membership = new Membership(deps);
  }

  machine(index: number): Machine {
    return this.#machines[index]!;
  }

  #machine(index: number): Machine {
    const call = async (name: string): Promise<unknown> => {
      if (name === "cluster_status") return this.#status(index);
      if (name === "cluster_remove") return this.removal;
      return { running: false, differences: index === DAMAGED ? [{ text: "an index" }] : [] };
    };
    const machine = {
      ...{ index, name: `n${index}`, nodeName: `n${index}-0`, generation: 0, isRunning: true },
      address: `n${index}.sim:7000`,
      engine: {
        stats: () => ({ group: { role: this.#role(index), term: 1 }, arePoliciesSettled: true }),
      },
      platter: { exists: async () => true },
      start: () => undefined,
      reformat: () => this.reformatted.push(index),
      call,
    };
    return machine as unknown as Machine;
  }

  #role(index: number): "leader" | "follower" {
    return index === LEADER && this.isLed ? "leader" : "follower";
  }

  #status(index: number): ClusterStatus {
    const members = [0, 1, 2].map((i) => ({
      role: "voter",
      info: { nodeId: nodeId(BigInt(i + 1)), name: `n${i}-0`, peerAddress: `n${i}.sim:7000` },
    }));
    const status = {
      nodeId: nodeId(BigInt(index + 1)),
      role: this.#role(index),
      term: 1,
      isRecovering: this.doubtful.has(index),
      isJoint: false,
      appliedIndex: 9,
      lastIndex: 9,
      members,
    };
    return status as unknown as ClusterStatus;
  }
}

describe("the operator of a simulated cluster", () => {
  // Seed 700000359: a stuck operation kept the first node from starting for three seconds, and its first answer was held
  // against the disks of voters whom nobody had counted yet: on 0 of 0.
  it("INV-SIM-28: counts no disks before it knows the voters", async () => {
    const bench = new Bench();
    await bench.loop.runUntil(5_000);
    expect(bench.membership.isSettled).toBe(false);
    bench.membership.work().catch((error: unknown) => bench.loop.fail(error));
    await bench.loop.runUntil(10_000);
    expect(bench.membership.isSettled).toBe(true);
  });

  // Seed 700000281: a node whose disk was damaged held what another needed that was in doubt of its log, and was wiped
  // while nobody led: nobody could be elected any more.
  it("INV-SIM-21: takes out a damaged disk only while the others are a majority that is sure of its logs", async () => {
    const bench = new Bench();
    const { membership, loop } = bench;
    membership.work().catch((error: unknown) => loop.fail(error));
    await loop.runUntil(1_000);
    await membership.misdirect(bench.machine(DAMAGED), { to: 0 });
    [bench.isLed, bench.doubtful] = [false, new Set([1])];
    membership.settle();
    await loop.runUntil(4_000);
    expect(bench.reformatted).toEqual([]);
    bench.doubtful = new Set();
    await loop.runUntil(6_000);
    expect(bench.reformatted).toEqual([DAMAGED]);
  });

  // Seed 900021674: a removal was given up after three seconds, as it waited for the policies of vaults. All three voters were there,
  // so the cluster was called healthy and the operator went; a second later the node was removed, and nobody brought another.
  it("INV-SIM-25: calls no cluster healthy while a change that it has given up may still happen", async () => {
    const bench = new Bench();
    const { membership, loop } = bench;
    let removed = (): void => undefined;
    bench.removal = new Promise((resolve) => {
      removed = () => resolve({});
    });
    membership.work().catch((error: unknown) => loop.fail(error));
    await loop.runUntil(1_000);
    membership.wantOther(bench.machine(1));
    await loop.runUntil(2_000);
    membership.settle();
    await loop.runUntil(9_000);
    const early = await loop.finish(membership.healthy(), "a look", 1_000);
    expect(early).toBeUndefined();
    removed();
    await loop.runUntil(9_500);
    expect(await loop.finish(membership.healthy(), "a look", 1_000)).toBeDefined();
  });
});
