/**
 * Lives of a process on one disk, and the moments at which it may lose power: right before every operation that
 * changes the disk. What must hold after such a moment is an interval of units: those acknowledged by then, and
 * at most those sent by then.
 */
import { FaultyDisk, type MemoryDisk, SeededRandom } from "@authledger/io";
import type { GroupId } from "@authledger/types";
import type { Voters, Wal } from "@authledger/wal";
import { expect } from "vitest";
import { expectLog, LogModel } from "../log-model.js";
import { openWal, testDeps, unitsIn } from "../wal-support.js";
import { Workload } from "../workload.js";

/** What is known when the power goes. */
export interface Moment {
  readonly disk: MemoryDisk;
  /** The operation that did not happen. */
  readonly before: string;
  /** history[k]: the log after k units. */
  readonly history: readonly LogModel[];
  readonly acked: number;
  readonly sent: number;
  readonly released: ReadonlyMap<GroupId, number>;
  readonly durableLsn: number;
  /** The node was told of a doubt and has not recovered. */
  readonly doubt: boolean;
}

export interface LifeOptions {
  readonly seed: number;
  readonly voters: Voters;
  readonly segmentBytes: number;
  readonly bursts: number;
}

const CHANGES = new Set(["write", "sync", "truncate", "rename", "remove", "sync-directory"]);

export class Life {
  readonly moments: Moment[] = [];
  readonly ended: string;
  readonly rotations: number;

  private constructor(moments: Moment[], wal: Wal) {
    this.moments = moments;
    this.ended = wal.recovery.end;
    this.rotations = wal.stats().segmentsReused;
  }

  /** Opens what `found` left on `disk`, checks it, goes on with it, and dies without closing. */
  static async on(disk: MemoryDisk, found: Moment, options: LifeOptions): Promise<Life> {
    const { seed, voters, segmentBytes } = options;
    const random = new SeededRandom(seed);
    const moments: Moment[] = [];
    let known: Omit<Moment, "disk" | "before"> = found;
    let alive = true;
    const watched = new FaultyDisk(disk, ({ kind, path }) => {
      if (alive && CHANGES.has(kind)) {
        const released = new Map(known.released);
        moments.push({ ...known, released, disk: disk.fork(), before: `${kind} ${path}` });
      }
      return undefined;
    });
    // What somebody else keeps may be behind, never ahead.
    const knownDurableLsn = random.chance(0.5) ? found.durableLsn : 0;
    const deps = testDeps(watched, seed);
    const wal = await openWal(watched, { voters, segmentBytes, knownDurableLsn }, deps);
    const model = checkRecovered(wal, found);
    const history = [...found.history.slice(0, model.units), model.clone()];
    const released = new Map(found.released);
    const learn = (acked: number): void => {
      const { durableLsn } = wal;
      const doubt = wal.doubtLsn !== 0;
      known = { history, acked, sent: history.length - 1, released, durableLsn, doubt };
    };
    learn(model.units);
    if (wal.doubtLsn !== 0 && random.chance(0.5)) {
      const recovered = wal.append([{ kind: "recovered" }]);
      learn(model.units);
      await recovered;
    }
    const run = { random, wal, model, history, released, learn };
    // Ids of groups are never used twice, also not by the next life.
    const workload = new Workload(random, sizes(options), 1 + random.int(2 ** 31));
    for (let i = 0; i < options.bursts; i++) await burst(run, workload);
    alive = false;
    expect(wal.failed).toBeUndefined();
    return new Life(moments, wal);
  }
}

function sizes({ segmentBytes }: LifeOptions): ConstructorParameters<typeof Workload>[1] {
  const most = Math.floor(segmentBytes / 5);
  return { groupsMax: 4, payloadMax: 200, rarePayloadMax: most, unitBytesMax: most };
}

interface Run {
  readonly random: SeededRandom;
  readonly wal: Wal;
  readonly model: LogModel;
  readonly history: LogModel[];
  readonly released: Map<GroupId, number>;
  readonly learn: (acked: number) => void;
}

async function burst(run: Run, workload: Workload): Promise<void> {
  const { random, wal, model, history, learn } = run;
  let acked = model.units;
  const sent: Promise<void>[] = [];
  for (let i = random.int(4); i >= 0; i--) {
    const unit = workload.unit(model);
    model.apply(unit);
    history.push(model.clone());
    const { units } = model;
    learn(acked);
    sent.push(
      wal.append(unit).then(() => {
        acked = units;
        learn(acked);
      }),
    );
    if (random.chance(0.3)) await Promise.resolve();
  }
  await Promise.all(sent);
  if (random.chance(0.5)) release(run);
}

/** Most of a random group, so that segments go. */
function release({ random, wal, model, released }: Run): void {
  for (const [id, group] of model.groups) {
    const { durableIndex } = wal.group(id)!;
    const from = Math.max(group.released, released.get(id) ?? 0);
    if (durableIndex <= from || random.chance(0.2)) continue;
    const through = random.between(from, durableIndex) + 1;
    wal.release(id, through);
    group.released = through;
    released.set(id, through);
  }
}

/** Every acknowledged unit is there, and beyond them nothing but a prefix of what was sent. */
function checkRecovered(wal: Wal, found: Moment): LogModel {
  const units = unitsIn(wal);
  expect(units, `acknowledged, before ${found.before}`).toBeGreaterThanOrEqual(found.acked);
  expect(units, `sent, before ${found.before}`).toBeLessThanOrEqual(found.sent);
  const model = found.history[units]!.clone();
  for (const [id, group] of model.groups) {
    group.released = Math.max(group.released, found.released.get(id) ?? 0);
  }
  expectLog(wal, model);
  if (found.doubt) expect(wal.doubtLsn, "a crash does not end a doubt").not.toBe(0);
  return model;
}

export function emptyMoment(disk: MemoryDisk): Moment {
  const nothing = { acked: 0, sent: 0, released: new Map(), durableLsn: 0, doubt: false };
  return { disk, before: "the beginning", history: [new LogModel()], ...nothing };
}
