/**
 * What a run of whole nodes is like, drawn from its seed. Every kind of fault is on or off for a whole run (swarm testing;
 * Groce et al., ISSTA 2012), and the limits are small, so that rare edges are common.
 */
import { SeededRandom } from "@authledger/io";
import { type NetworkFault, type NetworkSettings, networkFaults } from "../world/network.js";

/** What happens to machines and to those who use them. */
const machineFaults = [
  /** The process ends (SIGKILL); what it wrote stays in the page cache. */
  "kill",
  /** The machine loses power: unsynced writes and names are kept, lost or torn. */
  "power-loss",
  /** All machines lose power at once. */
  "blackout",
  /** Power is lost just when a disk operation has ended, before anybody hears of it. */
  "crash-point",
  /** SIGSTOP for a while. */
  "pause",
  "clock-rate",
  "clock-jump",
  /** The machines are cut into two or three sides. */
  "partition",
  /** Nothing arrives in one direction between two machines. */
  "one-way",
  /** Nothing arrives between two machines for a while, then everything. */
  "clog",
  /** The disk is replaced by an empty one: a new node. */
  "reformat",
  "transfer",
  /** A member is removed, or one that is not is added. */
  "membership",
  /** A sync fails: EIO. */
  "sync-error",
  /** Files cannot grow for a while: ENOSPC. */
  "disk-full",
  "slow-disk",
  /** One disk operation takes seconds. */
  "stuck-operation",
  /** A bit changes on the platter. */
  "bit-rot",
  /** The answer to a client is lost. */
  "lost-reply",
  /** A write to the page store is acknowledged and goes to another page. */
  "misdirected-write",
  /** A write to the page store is acknowledged and never happens. */
  "phantom-write",
  /** A full disk has no room for a name either: making or renaming a file fails with ENOSPC. Removing one never does. */
  "no-name",
] as const;

export type ClusterFault = NetworkFault | (typeof machineFaults)[number];
export const clusterFaults: readonly ClusterFault[] = [...networkFaults, ...machineFaults];

export function faultIndex(fault: ClusterFault): number {
  return clusterFaults.indexOf(fault);
}

/** How often the chance for each fault of machines comes, in virtual milliseconds. */
export const FAULT_INTERVAL_MS = 100;

/** Per chance. A crash point has a chance at each disk operation, a lost reply at each answer, a name at
 * each file that is made or renamed on a full disk. */
const PROBABILITIES: { readonly [F in (typeof machineFaults)[number]]: number } = {
  kill: 0.03,
  "power-loss": 0.02,
  blackout: 0.004,
  "crash-point": 0.0003,
  pause: 0.03,
  "clock-rate": 0.02,
  "clock-jump": 0.01,
  partition: 0.015,
  "one-way": 0.02,
  clog: 0.02,
  reformat: 0.006,
  transfer: 0.03,
  membership: 0.02,
  "sync-error": 0.0003,
  "disk-full": 0.01,
  "slow-disk": 0.02,
  "stuck-operation": 0.0002,
  "bit-rot": 0.004,
  "lost-reply": 0.02,
  "misdirected-write": 0.004,
  "phantom-write": 0.004,
  "no-name": 0.25,
};

export interface ClusterSettings {
  readonly seed: number;
  /** Voters that the cluster shall have. */
  readonly voters: number;
  /** Machines, with those that are spare. */
  readonly machines: number;
  /** How long faults happen. */
  readonly stormMs: number;
  /** "one": the first node begins a cluster and the others are added; "init": all wait, and one is told of the others. */
  readonly bootstrap: "one" | "init";
  readonly heartbeatTicks: number;
  readonly electionTicks: number;
  readonly network: NetworkSettings;
  readonly writeMsMax: number;
  readonly syncMsMin: number;
  readonly syncMsMax: number;
  readonly pieceBytes: 512 | 4096;
  readonly cacheBytes: number;
  /** So small that many are begun, and as large as an entry with the policies of all vaults of a storm, which waited for one signature. */
  readonly segmentBytes: number;
  readonly flush: { readonly intervalMs: number; readonly work: number; readonly logBytes: number };
  /** How much log is kept for others, so that states are given instead; how often states are compared. */
  readonly replicas: {
    readonly logKeepEntries: number;
    readonly logTailEntries: number;
    readonly snapshotChunkBytes: number;
    readonly digestEvery: number;
    readonly digestIntervalMs: number;
  };
  readonly clients: number;
  readonly keys: number;
  readonly thinkMsMax: number;
  /** Probability of each fault of machines, 0 = off in this run. */
  readonly faults: ReadonlyMap<ClusterFault, number>;
}

export interface SettingsOptions {
  readonly stormMs?: number | undefined;
  /** Without any fault. */
  readonly calm?: boolean | undefined;
  readonly voters?: number | undefined;
  /** With those that are spare. */
  readonly machines?: number | undefined;
  /** Stores are flushed, and logs cut, as rarely as on a real machine. */
  readonly keepLog?: boolean | undefined;
}

export function drawSettings(seed: number, options: SettingsOptions = {}): ClusterSettings {
  const random = new SeededRandom(seed);
  const voters = random.pick([1, 3, 3, 3, 3, 3, 5]);
  const spares = random.int(3);
  const settings = {
    seed,
    voters: options.voters ?? voters,
    machines: options.machines ?? (options.voters ?? voters) + spares,
    stormMs: options.stormMs ?? 20_000,
    bootstrap: random.pick(["one", "init"] as const),
    heartbeatTicks: random.pick([1, 2, 3]),
    electionTicks: random.pick([8, 12, 12, 20]),
    network: drawNetwork(random, options.calm === true),
    writeMsMax: random.pick([0.1, 0.3, 2]),
    syncMsMin: 0.1,
    syncMsMax: random.pick([0.5, 2, 2, 15]),
    pieceBytes: random.pick([512, 4096] as const),
    cacheBytes: random.pick([1 << 20, 1 << 20, 1 << 22]),
    segmentBytes: random.pick([64, 64, 64, 256]) * 1024,
    flush: {
      intervalMs: random.pick([200, 1_000, 5_000]),
      work: random.pick([100, 400, 5_000]),
      logBytes: random.pick([32, 128, 1_024]) * 1024,
    },
    replicas: drawReplicas(new SeededRandom(seed + 1e9)),
    clients: random.between(3, 8),
    keys: random.between(2, 7),
    thinkMsMax: random.pick([20, 60, 200]),
  };
  const isOn = new Map(
    machineFaults.map((fault) => [fault, random.chance(0.4) ? PROBABILITIES[fault] : 0]),
  );
  if (options.calm) for (const fault of isOn.keys()) isOn.set(fault, 0);
  const rarely = { intervalMs: 30_000, work: 1e6, logBytes: 1e9 };
  const flush = options.keepLog ? rarely : settings.flush;
  const cacheBytes = options.keepLog ? 1 << 26 : settings.cacheBytes;
  return { ...settings, flush, cacheBytes, faults: isOn };
}

/** From numbers of their own: what else a seed draws stays as it was. */
function drawReplicas(random: SeededRandom): ClusterSettings["replicas"] {
  return {
    logKeepEntries: random.pick([0, 20, 100, 100_000]),
    logTailEntries: random.pick([0, 10, 1_000]),
    snapshotChunkBytes: random.pick([1, 4, 64]) * 1024,
    digestEvery: random.pick([1, 8, 64]),
    digestIntervalMs: random.pick([100, 500, 1_000]),
  };
}

function drawNetwork(random: SeededRandom, isCalm: boolean): NetworkSettings {
  const sometimes = (probability: number): number => {
    const isOn = random.chance(0.4) && !isCalm;
    return isOn ? probability : 0;
  };
  return {
    latencyMsMin: 0.05,
    latencyMsMax: random.pick([0.2, 1, 1, 10]),
    loss: sometimes(random.pick([0.01, 0.05])),
    duplicate: sometimes(0.03),
    lateDuplicate: sometimes(0.02),
    reorder: sometimes(0.05),
  };
}
