/**
 * One run of whole nodes: bring a cluster up, let clients work through a storm of faults, let it heal, and judge everything that
 * was seen.
 *
 *   INV-SIM-25  When the storm is over there is one leader, everybody catches up, and writes are served.
 *   INV-SIM-26  Nothing is in the log that nobody asked for.
 *   INV-SIM-27  A node stops only for a reason that its disk, its removal or a failed sync gave it.
 */
import type { ClusterStatus } from "@authledger/engine";
import { SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { judgeHistory } from "../history/judge.js";
import type { History } from "../history/record.js";
import { HistoryRecorder } from "../history/recorder.js";
import { FaultPlan } from "../world/fault-plan.js";
import { Network } from "../world/network.js";
import { type Acknowledged, Client, type ClientDeps } from "./client.js";
import { type ClusterFault, type ClusterSettings, clusterFaults } from "./cluster-settings.js";
import { isDurable } from "./durability-oracle.js";
import { EventLoop } from "./event-loop.js";
import { EventTrace } from "./event-trace.js";
import { type Chain, loggedHistory } from "./logged-history.js";
import { Machine, type MachineDeps } from "./machine.js";
import { Membership } from "./membership.js";
import { withoutRealTime } from "./real-time-trap.js";
import { RecordKeeper } from "./record-keeper.js";
import { isBeyondRepair } from "./repair-outlook.js";
import {
  compareStores,
  compileChecksum,
  lookAt,
  readChain,
  readStore,
  SeenHistory,
  type StoreContent,
  Violation,
} from "./replica-check.js";
import { Switchboard } from "./simulated-peers.js";
import { Sometimes } from "./sometimes.js";
import { StalenessOracle } from "./staleness-oracle.js";
import { Storm } from "./storm.js";
import { VaultMaker } from "./vault-maker.js";

/** Everything must be well again so long after the storm. */
const HEAL_MS = 30_000;
const WATCH_MS = 500;
/** One acknowledgement in so many is looked at behind the backs of the nodes. */
const ORACLE_EVERY = 50;
/** Numbers of the clients that write when all is well again. */
const FRESH = 1_000;
/** A failed sync ends a process, and so does a disk that cannot be read or written (storage.md, "Disk health"). */
const MAY_STOP: ReadonlySet<string> = new Set(["SYNC_FAILED"]);

/** A received state was in place when its record found no room: such a node stops, and ends the switch when it starts again. */
function isPastReturn({ code, cause }: LedgerError): boolean {
  return code === "IO_WRITE_FAILED" && cause instanceof LedgerError && cause.code === "DISK_FULL";
}

export interface RunOptions {
  /** The faults that may strike, by name; default all. */
  readonly only?: ReadonlySet<string> | undefined;
  /** Is given every event as a line. */
  readonly print?: ((line: string) => void) | undefined;
}

export interface RunReport {
  readonly seed: number;
  readonly failure: { readonly what: string; readonly newest: readonly string[] } | undefined;
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<ClusterFault, number>;
  /** Names of the faults that struck. */
  readonly struck: readonly { readonly kind: string; readonly chance: number }[];
  readonly sometimes: Sometimes;
  readonly history: History;
}

export async function runCluster(
  settings: ClusterSettings,
  options: RunOptions = {},
): Promise<RunReport> {
  await compileChecksum();
  const run = new ClusterRun(settings, options);
  let failure: RunReport["failure"];
  try {
    await withoutRealTime(() => run.run());
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    failure = { what, newest: run.trace.newest(60) };
  }
  return run.report(failure);
}

class ClusterRun {
  readonly #settings: ClusterSettings;
  readonly #loop = new EventLoop();
  readonly trace: EventTrace;
  readonly #plan: FaultPlan<ClusterFault>;
  readonly #network: Network;
  readonly #machines: readonly Machine[];
  readonly #membership: Membership;
  readonly #storm: Storm;
  readonly #sometimes = new Sometimes();
  readonly #recorder: HistoryRecorder;
  readonly #clientDeps: ClientDeps;
  readonly #clients: readonly Client[];
  readonly #vaults: VaultMaker;
  readonly #keeper: RecordKeeper;
  readonly #seen = new SeenHistory();
  #isCalm = false;
  #isOver = false;
  #fresh = 0;
  #acknowledgements = 0;
  #history: History = { operations: [], writes: [], blocks: [] };

  constructor(settings: ClusterSettings, options: RunOptions) {
    this.#settings = settings;
    const { seed } = settings;
    const loop = this.#loop;
    this.trace = new EventTrace(() => loop.now, options.print);
    const { trace } = this;
    const plan = new FaultPlan(seed, clusterFaults, { only: options.only, isRecorded: true });
    this.#plan = plan;
    const random = new SeededRandom(seed ^ 0x5eed);
    this.#network = new Network(settings.machines, settings.network, { random, plan });
    const network = this.#network;
    const board = new Switchboard({ loop, network, trace });
    const onEnded: MachineDeps["onEnded"] = (...about) => this.#ended(...about);
    const machineDeps = { settings, loop, trace, plan, board, onEnded };
    this.#machines = Array.from(
      { length: settings.machines },
      (_, i) => new Machine(i, machineDeps),
    );
    const machines = this.#machines;
    const sometimes = this.#sometimes;
    this.#membership = new Membership({ settings, loop, trace, machines, sometimes });
    const membership = this.#membership;
    this.#storm = new Storm({ settings, loop, trace, plan, network, machines, membership });
    this.#recorder = new HistoryRecorder(() => Math.round(loop.now * 1_000));
    const world = {
      ...{ settings, loop, trace, plan, machines },
      isCalm: () => this.#isCalm,
      fraction: () => random.u32() / 0x1_0000_0000,
    };
    this.#vaults = new VaultMaker(world);
    this.#keeper = new RecordKeeper(world, sometimes);
    this.#clientDeps = {
      ...world,
      recorder: this.#recorder,
      sometimes,
      vaults: () => this.#vaults.made,
      staleness: new StalenessOracle(() => loop.now),
      onAcknowledged: (write) => this.#acknowledged(write),
    };
    const { clients } = settings;
    this.#clients = Array.from({ length: clients }, (_, i) => new Client(i, this.#clientDeps));
  }

  async run(): Promise<void> {
    const { stormMs } = this.#settings;
    this.#start(this.#membership.work());
    this.#start(this.#vaults.work());
    this.#start(this.#keeper.work());
    for (const client of this.#clients) this.#start(client.work());
    this.#start(this.#watch());
    this.#storm.start();
    await this.#loop.runUntil(stormMs);
    this.#isCalm = true;
    this.#storm.end();
    this.#membership.settle();
    for (const client of this.#clients) client.stop();
    this.#keeper.stop();
    try {
      await this.#judge();
    } catch (error) {
      if (!(error instanceof BeyondRepair)) throw error;
      this.#sometimes.note("group beyond repair");
    }
  }

  report(failure: RunReport["failure"]): RunReport {
    return {
      seed: this.#settings.seed,
      failure,
      hash: this.trace.hash,
      events: this.trace.events,
      virtualMs: this.#loop.now,
      faults: this.#plan.counts(),
      struck: this.#plan.faults,
      sometimes: this.#sometimes,
      history: this.#history,
    };
  }

  /** Work that goes on by itself; what it throws ends the run. */
  #start(work: Promise<void>): void {
    work.catch((error: unknown) => this.#loop.fail(error));
  }

  #ended(machine: Machine, error: LedgerError, wasOpening: boolean): void {
    const isNoRoom = (error.code === "DISK_FULL" && wasOpening) || isPastReturn(error);
    if (!isNoRoom && !this.#membership.noteEnd(machine, error) && !MAY_STOP.has(error.code)) {
      const what = `${machine.name} stopped: ${error.code}: ${error.message}\n${error.stack}`;
      this.#loop.fail(new Violation("INV-SIM-27", what));
      return;
    }
    this.#sometimes.note(`stopped: ${error.code}`);
    this.#storm.restartLater(machine);
  }

  /** Now and then, while no membership changes: is it on the platters of a majority? */
  #acknowledged(write: Acknowledged): void {
    const isLooked = this.#acknowledgements++ % ORACLE_EVERY === 0;
    if (!isLooked || !this.#membership.isSettled) return;
    const voters = this.#membership.voters;
    const looking = Promise.all(voters.map(({ platter }) => isDurable(platter, write)));
    const judged = looking.then((held) => {
      const count = held.filter(Boolean).length;
      this.#sometimes.note("majority seen on the platters");
      if (count > voters.length / 2) return;
      const what = `${write.id} was answered and is on ${count} of ${voters.length} disks`;
      throw new Violation("INV-SIM-28", what);
    });
    this.#start(judged);
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      await this.#loop.sleep(WATCH_MS);
      await Promise.all(
        this.#machines.map((machine) => {
          const looked = lookAt(machine, this.#vaults.made, this.#seen);
          return Promise.race([looked, this.#loop.sleep(WATCH_MS)]);
        }),
      );
    }
  }

  async #judge(): Promise<void> {
    await this.#until("the cluster heals", async () => {
      if ((await this.#membership.healthy()) === undefined) return false;
      const [vault] = this.#vaults.made;
      const fresh = new Client(FRESH + this.#fresh++, this.#clientDeps);
      return vault !== undefined && fresh.writeFresh(vault);
    });
    this.#membership.stop();
    this.#isOver = true;
    await this.#until("everybody catches up", () => this.#isEven());
    const chains = await this.#readChains();
    const { operations } = this.#recorder;
    this.#history = { operations, ...loggedHistory(chains, operations) };
    await this.#compareStores();
    const { isGood, report } = judgeHistory(this.#history);
    if (!isGood) throw new Violation("INV-HISTORY", report.join("\n"));
  }

  /** Looks again and again. @throws Violation INV-SIM-25 when it does not come true in time */
  async #until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
    const end = this.#loop.now + HEAL_MS;
    while (this.#loop.now < end) {
      const attempt = Promise.race([isTrue(), this.#loop.sleep(5_000).then(() => false)]);
      if (await this.#loop.finish(attempt, what, 6_000)) return;
      await this.#loop.finish(this.#loop.sleep(200), what, 300);
    }
    const asked = Promise.all(this.#machines.map(statusOf));
    const statuses = (await this.#loop.finish(asked, what, 1_000)).flatMap((one) => one ?? []);
    const present = new Set(this.#machines.map(({ nodeName }) => nodeName));
    if (isBeyondRepair(statuses, present)) throw new BeyondRepair();
    const states = await this.#loop.finish(Promise.all(this.#machines.map(stateOf)), what, 1_000);
    const why = `${what}: not within ${HEAL_MS} ms of calm\n${states.join("\n")}`;
    throw new Violation("INV-SIM-25", why);
  }

  /** Whether all voters have applied the same. */
  async #isEven(): Promise<boolean> {
    const statuses = await Promise.all(
      this.#membership.voters.map((machine) =>
        machine.call("cluster_status", {}).catch(() => undefined),
      ),
    );
    const [first] = statuses;
    return statuses.every(
      (status) =>
        status !== undefined &&
        status.appliedIndex === first!.appliedIndex &&
        status.lastIndex === first!.appliedIndex,
    );
  }

  /** The chain of each vault, which is the same on all voters. */
  async #readChains(): Promise<ReadonlyMap<number, Chain>> {
    const chains = new Map<number, Chain>();
    for (const machine of this.#membership.voters) {
      for (const vault of this.#vaults.made) {
        const reading = readChain(machine, vault);
        const chain = await this.#loop.finish(reading, `the chain of ${machine.name}`, 5_000);
        for (const { header } of chain) this.#seen.noteBlock(vault, header, machine.name);
        chains.set(vault, chain);
      }
    }
    return chains;
  }

  async #compareStores(): Promise<void> {
    const stores = new Map<string, StoreContent>();
    for (const machine of this.#membership.voters) {
      const { incarnation } = machine.engine!.identity;
      await this.#loop.finish(machine.close(), `${machine.name} closes`, 10_000);
      stores.set(machine.name, await readStore(machine.platter, machine.name, incarnation));
    }
    compareStores(stores);
    this.#sometimes.note("stores compared", stores.size);
  }
}

/** Nobody can be elected any more, as it has to be. */
class BeyondRepair extends Error {}

function statusOf(machine: Machine): Promise<ClusterStatus | undefined> {
  return machine.call("cluster_status", {}).catch(() => undefined);
}

/** A machine's node in a few words. */
async function stateOf(machine: Machine): Promise<string> {
  const status = await statusOf(machine);
  if (status === undefined) return `${machine.name}: does not answer`;
  const { role, term, appliedIndex, commitIndex, lastIndex, isRecovering, members } = status;
  const others = members.map(
    (each) => `${each.info.name} ${each.role} ${each.state ?? ""} ${each.match ?? ""}`,
  );
  const doubt = isRecovering ? ", recovering" : "";
  return `${machine.name}-${machine.generation}: ${role} of term ${term}, applied ${appliedIndex}, committed ${commitIndex}, last ${lastIndex}${doubt}; members ${others.join(", ")}`;
}
