/**
 * What must happen now and then, or the simulation does not test what it is there for (simulation.md,
 * "Sometimes-assertions").
 */
const sometimesNames = [
  "leader elected",
  "leader elected during a joint configuration",
  "leader deposed",
  "entries truncated",
  "unsynced batches lost in a crash",
  "unsynced batches kept by a crash",
  "sync of a truncated batch ended",
  "snapshot sent",
  "snapshot installed",
  "snapshot sent while the log was cut",
  "log cut",
  "membership changed",
  "joint configuration entered",
  "joint configuration left",
  "learner promoted",
  "voter removed",
  "leader removed itself",
  "reformatted node joined",
  "leadership transferred",
  "transfer failed",
  "proposal refused",
  "proposal dropped for its size",
  "entry acknowledged",
  "entry of a deposed leader lost",
  "read served by the leader",
  "read served by a follower",
  "read dropped",
  "node started in doubt",
  "node in doubt recovered",
  "group of one served",
  "group beyond repair",
] as const;

export type Sometimes = (typeof sometimesNames)[number];

/** What may be missing from a campaign however large it is: it is told, and nobody wants it. */
const unwanted: ReadonlySet<Sometimes> = new Set(["group beyond repair"]);

export const wantedSometimes: readonly Sometimes[] = sometimesNames.filter(
  (name) => !unwanted.has(name),
);

export class SometimesCounts {
  readonly #counts: Map<Sometimes, number> = new Map(sometimesNames.map((name) => [name, 0]));

  hit(name: Sometimes): void {
    this.#counts.set(name, this.#counts.get(name)! + 1);
  }

  get counts(): ReadonlyMap<Sometimes, number> {
    return this.#counts;
  }
}
