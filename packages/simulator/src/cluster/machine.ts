/** A simulated machine: a disk, a clock, and at most one process, which is an engine. */
import { Engine, type EnginePort, type MemberInfo } from "@authledger/engine";
import { MemoryDisk, NodeHasher, SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import type { FaultPlan } from "../world/fault-plan.js";
import { NodeClock } from "../world/virtual-time.js";
import { type ClusterFault, type ClusterSettings, faultIndex } from "./cluster-settings.js";
import type { EventLoop } from "./event-loop.js";
import type { EventTrace } from "./event-trace.js";
import { MachineLife } from "./machine-life.js";
import {
  type Astray,
  type DiskFate,
  SimulatedDisk,
  type SimulatedOperationKind,
} from "./simulated-disk.js";
import type { Switchboard } from "./simulated-peers.js";

/** The wall time when a run begins, 2026-01-01. */
export const WALL_MS = 1_767_225_600_000;
/** What letting others run takes, at least and at most. */
const YIELD_MS_MIN = 0.005;
const YIELD_MS_MAX = 0.03;
/** How long a stuck operation takes. */
const STUCK_MS = 3_000;
const SLOW_FACTOR = 30;

export const DATA = "/data";
export const STORE: string = `${DATA}/groups/1/state.db`;

export interface MachineDeps {
  readonly settings: ClusterSettings;
  readonly loop: EventLoop;
  readonly trace: EventTrace;
  readonly plan: FaultPlan<ClusterFault>;
  readonly board: Switchboard;
  /** The process has ended by itself, or could not start. */
  readonly onEnded: (machine: Machine, error: LedgerError, wasOpening: boolean) => void;
}

const hasher = new NodeHasher();

export class Machine {
  readonly index: number;
  readonly address: string;
  readonly random: SeededRandom;
  readonly clock: NodeClock;
  platter: MemoryDisk = new MemoryDisk();
  /** Disks that this machine has had. */
  generation = 0;
  /** Its files cannot grow. */
  isFull = false;
  isSlow = false;
  /** What the next write to the page store meets. */
  astray: Astray | undefined;
  readonly #deps: MachineDeps;
  #life: MachineLife | undefined;
  #engine: Engine | undefined;
  #isOpening = false;
  /** No fault strikes any more. */
  isCalm = false;

  constructor(index: number, deps: MachineDeps) {
    this.index = index;
    this.address = `n${index}.sim:7000`;
    this.#deps = deps;
    this.random = new SeededRandom((deps.settings.seed ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0);
    this.clock = new NodeClock(deps.loop, WALL_MS + this.random.int(40));
  }

  get name(): string {
    return `n${this.index}`;
  }

  /** Of the node on the disk that it has now. */
  get nodeName(): string {
    return `${this.name}-${this.generation}`;
  }

  /** The process, once it answers calls. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  get life(): MachineLife | undefined {
    return this.#life;
  }

  get isRunning(): boolean {
    return this.#life !== undefined;
  }

  /** What the node of this disk told the others it is, if its process answers. */
  async identity(): Promise<MemberInfo | undefined> {
    const status = await this.call("cluster_status", {});
    return status.members.find(({ info }) => info.nodeId === status.nodeId)?.info;
  }

  /** Calls the engine as one that is there; never answers when its life ends before. */
  call: EnginePort["call"] = (call, request, deadlineAtMs) => {
    const life = this.#life;
    const engine = this.#engine;
    if (engine === undefined || life === undefined) {
      return Promise.reject(new LedgerError("NOT_READY", `${this.name} is down`));
    }
    return new Promise((resolve, reject) => {
      engine.call(call, request, deadlineAtMs).then(
        (reply) => void (life.isOver || resolve(reply)),
        (error: unknown) => void (life.isOver || reject(error)),
      );
    });
  };

  /** Starts the process. `join`: an empty disk waits to be added. */
  start(join: boolean): void {
    if (this.#life !== undefined) return;
    const { loop, trace, board, settings } = this.#deps;
    const life = new MachineLife(loop);
    this.#life = life;
    this.#isOpening = true;
    trace.note(this.name, `start${join ? " (join)" : ""}`);
    const { cacheBytes, segmentBytes, flush, heartbeatTicks, electionTicks, replicas } = settings;
    const options = {
      directory: DATA,
      cacheBytes,
      logSegmentBytes: segmentBytes,
      flushPolicy: flush,
      cluster: {
        peers: board.open(this.index, this.address, life),
        name: this.nodeName,
        peerAddress: this.address,
        clientAddress: `n${this.index}.sim:7001`,
        join,
        heartbeatTicks,
        electionTicks,
        replicas,
      },
    };
    Engine.open(options, {
      disk: this.#disk(life),
      clock: this.clock,
      random: this.random,
      timers: this.#timers(life),
      hasher,
      lock: async () => ({ release: async () => undefined }),
      onFatal: (error) => this.#ended(life, error),
      onAlarm: (alarm) => trace.note(this.name, `alarm: ${alarm}`),
    }).then(
      (engine) => {
        if (life.isOver) return;
        this.#isOpening = false;
        this.#engine = engine;
        trace.note(this.name, "ready");
      },
      (error: unknown) => this.#ended(life, LedgerError.from(error)),
    );
  }

  /** SIGKILL: what was written stays in the page cache. */
  kill(): void {
    if (this.#life === undefined) return;
    this.#deps.trace.note(this.name, "killed");
    this.#end();
  }

  /** The process ends as it does on SIGTERM. */
  async close(): Promise<void> {
    await this.#engine?.close();
    this.#end();
  }

  /** Power is lost: unsynced writes and names are kept, lost or torn. */
  losePower(): void {
    this.#deps.trace.note(this.name, "lost power");
    this.#end();
    this.platter = this.platter.crash(this.random, {
      pieceBytes: this.#deps.settings.pieceBytes,
    });
    if (this.isFull) this.platter.capacityBytes = 0;
  }

  /** The process is stopped and another disk put in, an empty one. */
  reformat(): void {
    this.#deps.trace.note(this.name, "reformatted");
    this.#end();
    this.astray = undefined;
    this.generation++;
    this.platter = new MemoryDisk();
  }

  setFull(isFull: boolean): void {
    this.isFull = isFull;
    this.platter.capacityBytes = isFull ? 0 : Number.POSITIVE_INFINITY;
  }

  #end(): void {
    this.#life?.end();
    this.#life = undefined;
    this.#engine = undefined;
    this.#isOpening = false;
    this.#deps.board.hangUp(this.address);
  }

  #ended(life: MachineLife, error: LedgerError): void {
    if (life.isOver || life !== this.#life) return;
    this.#deps.trace.note(this.name, `ended: ${error.code}: ${error.message}`);
    const wasOpening = this.#isOpening;
    this.#end();
    this.#deps.onEnded(this, error, wasOpening);
  }

  #timers(life: MachineLife): {
    after(delayMs: number, run: () => void): () => void;
    yield(): Promise<void>;
  } {
    return {
      after: (delayMs, run) => life.after(this.clock.trueDelay(delayMs), run),
      yield: () => {
        const ms = YIELD_MS_MIN + this.#fraction() * (YIELD_MS_MAX - YIELD_MS_MIN);
        return new Promise((resolve) => {
          life.after(ms, resolve);
        });
      },
    };
  }

  #disk(life: MachineLife): SimulatedDisk {
    const { trace } = this.#deps;
    return new SimulatedDisk({
      platter: this.platter,
      life,
      fate: (kind, path) => this.#fate(kind, path),
      onDone: (kind, path) => {
        if (kind !== "write") trace.note(this.name, `${kind} ${path}`);
        if (kind === "open" || kind === "exists" || kind === "list") return;
        if (this.#strikes("crash-point")) this.losePower();
      },
    });
  }

  #fate(kind: SimulatedOperationKind, path: string): DiskFate {
    const { settings, trace } = this.#deps;
    const { writeMsMax, syncMsMin, syncMsMax } = settings;
    const isSync = kind === "sync" || kind === "sync-directory";
    let delayMs = isSync
      ? syncMsMin + this.#fraction() * (syncMsMax - syncMsMin)
      : 0.005 + this.#fraction() * writeMsMax;
    if (this.isSlow) delayMs *= SLOW_FACTOR;
    if (this.#strikes("stuck-operation")) {
      trace.note(this.name, `stuck ${kind} ${path}`);
      delayMs += STUCK_MS;
    }
    if (isSync && this.#strikes("sync-error")) {
      trace.note(this.name, `EIO ${kind} ${path}`);
      return { delayMs, failure: "EIO" };
    }
    const needsName = kind === "create" || kind === "rename";
    if (this.isFull && needsName && this.#strikes("no-name")) {
      trace.note(this.name, `ENOSPC ${kind} ${path}`);
      return { delayMs, failure: "ENOSPC" };
    }
    const { astray } = this;
    if (astray === undefined || kind !== "write" || path !== STORE || this.isCalm)
      return { delayMs };
    this.astray = undefined;
    trace.note(
      this.name,
      `a write to ${path} goes ${astray.to === undefined ? "nowhere" : "astray"}`,
    );
    return { delayMs, astray };
  }

  #strikes(fault: ClusterFault): boolean {
    const { plan, settings } = this.#deps;
    return !this.isCalm && plan.strikes(faultIndex(fault), settings.faults.get(fault) ?? 0);
  }

  #fraction(): number {
    return this.random.u32() / 0x1_0000_0000;
  }
}
