/**
 * What one run of the swarm is like. Every feature is on or off for the whole run, as the seed says, and limits are
 * tiny: a run that lacks most faults goes deep into what the others lead to (Groce et al., "Swarm testing", ISSTA'12).
 */
import { SeededRandom } from "@authledger/io";
import type { NetworkSettings } from "../world/network.js";

/** A seed is so long in virtual time. */
export const RUN_MS = 20_000;
/** One unit of the core's time. */
export const TICK_MS = 25;

export interface CoreSettings {
  readonly seed: number;
  /** Voters and learners of the first configuration; the machines behind them are blank. */
  readonly voters: number;
  readonly learners: number;
  readonly machines: number;

  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly readMode: "quorum" | "lease";
  readonly commitNotice: "at-once" | "at-turn";
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Ticks that a leader goes without a majority before it steps down. */
  readonly quorumTicks: number;
  /** Leaders send heartbeats at each tick, as an owner does whose loop is held. */
  readonly isBeating: boolean;
  readonly inflightMessagesMax: number;
  readonly inflightBytesMax: number;
  readonly messageBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly applyBytesMax: number;

  readonly network: NetworkSettings;
  /** Messages travel as bytes. */
  readonly isCoded: boolean;
  readonly syncMsMin: number;
  readonly syncMsMax: number;
  /** Between the commit of an entry and its application; 0 = in the same moment. */
  readonly applyMsMax: number;
  /** End of a turn of the owner's loop after its first event; 0 = after every event. */
  readonly turnMsMax: number;
  /** A state is made durable, and the log cut behind the one before, every so many entries; 0 = never. */
  readonly checkpointEvery: number;
  readonly snapshotMsMax: number;

  /** Chance of each named crash point, per time it is passed (hooks.ts). */
  readonly hookRate: number;
  /** Steps per second of each kind of the schedule. */
  readonly perSecond: Readonly<Record<StepKind, number>>;
  /** How far a clock may run wrong. */
  readonly clockDrift: number;
  readonly payloadBytesMax: number;
}

export type StepKind = (typeof stepKinds)[number];
/** What a schedule may hold: faults, operators' work and clients' work. */
export const stepKinds = [
  "propose",
  "read",
  "crash",
  "restart-fast",
  "crash-all",
  "pause",
  "clock",
  "slow-disk",
  "isolate",
  "partition",
  "one-way",
  "flap",
  "clog",
  "change",
  "transfer",
  "campaign",
  "reformat",
  "doubt",
] as const;

/** The settings that belong to a seed. */
export function drawSettings(seed: number): CoreSettings {
  const random = new SeededRandom(seed ^ 0x5e77);
  const on = (probability: number): boolean => random.chance(probability);
  const voters = random.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 7]);
  const learners = random.pick([0, 0, 0, 1, 2]);
  const spare = on(0.6) ? random.between(1, 4) : 0;
  const checkQuorum = on(0.7);
  const readMode = checkQuorum && on(0.2) ? "lease" : "quorum";
  const preVote = on(0.6);
  const limits = drawLimits(random);
  return {
    seed,
    voters,
    learners,
    machines: voters + learners + spare,
    preVote,
    checkQuorum,
    readMode,
    ...limits,
    ...drawPatience(seed, limits.electionTicks),
    network: drawNetwork(random),
    isCoded: on(0.1),
    ...drawOwner(random),
    hookRate: on(0.5) ? random.pick([0.002, 0.01, 0.05]) : 0,
    perSecond: drawRates(random, { spare, learners }),
    clockDrift: on(0.3) ? 0.2 : 0,
    payloadBytesMax: random.pick([8, 8, 64]),
    commitNotice: on(0.6) ? "at-turn" : "at-once",
  };
}

/** Settings of a seed, with some of them given: to look where a certain kind of bug must be. */
export interface Focus {
  readonly settings?: Partial<Omit<CoreSettings, "seed" | "perSecond">>;
  readonly perSecond?: Partial<CoreSettings["perSecond"]>;
}

export function drawFocused(seed: number, { settings, perSecond }: Focus): CoreSettings {
  const drawn = drawSettings(seed);
  return { ...drawn, ...settings, perSecond: { ...drawn.perSecond, ...perSecond } };
}

function drawLimits(
  random: SeededRandom,
): Pick<
  CoreSettings,
  | "electionTicks"
  | "heartbeatTicks"
  | "inflightMessagesMax"
  | "inflightBytesMax"
  | "messageBytesMax"
  | "uncommittedBytesMax"
  | "applyBytesMax"
> {
  return {
    electionTicks: random.pick([12, 12, 6]),
    heartbeatTicks: random.pick([3, 3, 1]),
    inflightMessagesMax: random.pick([1, 2, 4, 64]),
    inflightBytesMax: random.pick([100, 1_000, 1_000_000]),
    messageBytesMax: random.pick([0, 20, 100, 1_000_000]),
    uncommittedBytesMax: random.pick([200, 4_000, 1_000_000]),
    applyBytesMax: random.pick([1, 50, 1_000_000]),
  };
}

/** Apart from the rest, so that seeds without it are what they were before there was any. */
function drawPatience(
  seed: number,
  electionTicks: number,
): Pick<CoreSettings, "quorumTicks" | "isBeating"> {
  const random = new SeededRandom(seed ^ 0xbea7);
  return {
    quorumTicks: electionTicks * random.pick([1, 1, 1, 2]),
    isBeating: random.chance(0.15),
  };
}

function drawNetwork(random: SeededRandom): NetworkSettings {
  const rate = (choices: readonly number[]): number =>
    random.chance(0.5) ? random.pick(choices) : 0;
  const latencyMsMin = random.pick([0.1, 0.5, 2]);
  return {
    latencyMsMin,
    latencyMsMax: latencyMsMin * random.pick([1.5, 4, 20]),
    loss: rate([0.01, 0.05, 0.2]),
    duplicate: rate([0.01, 0.1]),
    lateDuplicate: rate([0.01, 0.05]),
    reorder: rate([0.02, 0.2]),
  };
}

function drawOwner(
  random: SeededRandom,
): Pick<
  CoreSettings,
  "syncMsMin" | "syncMsMax" | "applyMsMax" | "turnMsMax" | "checkpointEvery" | "snapshotMsMax"
> {
  const syncMsMin = random.pick([0.05, 0.1, 1]);
  return {
    syncMsMin,
    syncMsMax: syncMsMin * random.pick([1.5, 5, 50]),
    applyMsMax: random.pick([0, 0, 1, 30]),
    turnMsMax: random.pick([0, 0, 0.5, 5]),
    checkpointEvery: random.pick([0, 20, 20, 100]),
    snapshotMsMax: random.pick([5, 50, 500]),
  };
}

function drawRates(
  random: SeededRandom,
  { spare, learners }: { readonly spare: number; readonly learners: number },
): Record<StepKind, number> {
  const rate = (probability: number, choices: readonly number[]): number =>
    random.chance(probability) ? random.pick(choices) : 0;
  const isChanging = spare + learners > 0 ? 0.6 : 0.3;
  return {
    propose: random.pick([5, 20, 60]),
    read: rate(0.7, [5, 20]),
    crash: rate(0.5, [0.2, 1]),
    "restart-fast": rate(0.5, [0.5, 3]),
    "crash-all": rate(0.2, [0.1, 0.3]),
    pause: rate(0.3, [0.3, 1]),
    clock: rate(0.3, [0.3]),
    "slow-disk": rate(0.2, [0.3]),
    isolate: rate(0.4, [0.3, 1]),
    partition: rate(0.4, [0.3, 1]),
    "one-way": rate(0.3, [0.3, 1]),
    flap: rate(0.2, [0.2]),
    clog: rate(0.2, [0.5]),
    change: rate(isChanging, [0.5, 3]),
    transfer: rate(0.3, [0.3, 2]),
    campaign: rate(0.2, [0.3, 2]),
    reformat: rate(spare > 0 ? 0.4 : 0, [0.2]),
    doubt: rate(0.2, [0.1, 0.3]),
  };
}
