/** When the page store is flushed, and what that releases, over a store that does as it is told. */
import type { GroupState } from "@authledger/state";
import type { PageStore } from "@authledger/store";
import { groupId, LedgerError } from "@authledger/types";
import type { Wal } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { Flusher, type FlushPolicy } from "../../src/flusher.js";
import {
  FLUSH_CROWDED_MS,
  FLUSH_DIRTY_BYTES,
  FLUSH_INTERVAL_MS,
  FLUSH_LOG_BYTES,
  FLUSH_RETRY_MS,
  FLUSH_WORK,
} from "../../src/limits.js";
import { settle, TestTime } from "../engine-support.js";

const GROUP = groupId(1);

class Scene {
  readonly time = new TestTime();
  readonly released: number[] = [];
  readonly fatal: LedgerError[] = [];
  /** What writers were told of the disk: the code, or that there is room again. */
  readonly room: string[] = [];
  ended = 0;
  flushes = 0;
  /** Ends the running flush. */
  end: ((error?: LedgerError) => void) | undefined;
  appliedIndex = 0;
  work = 0;
  isCrowded = false;
  dirtyBytes = 0;
  logBytes = 0;
  appliedFloor = 0;
  /** Steps in which what lives beside the tables is written before a flush. */
  steps = 0;
  readonly flusher: Flusher;

  constructor(policy?: FlushPolicy) {
    this.flusher = new Flusher(GROUP, 1024 * FLUSH_DIRTY_BYTES, {
      store: this.#store(),
      state: this.#state(),
      wal: this.#wal(),
      clock: this.time,
      yield: () => settle(),
      onDiskFull: (error) => this.room.push(error?.code ?? "room"),
      onFatal: (error) => this.fatal.push(error),
      onFlushed: () => this.ended++,
      policy,
    });
  }

  #store(): PageStore {
    const scene = this;
    const flush = (): Promise<void> => {
      if (scene.end !== undefined) throw new LedgerError("STORE_INTERNAL", "one at a time");
      scene.flushes++;
      return new Promise((resolve, reject) => {
        scene.end = (error) => {
          scene.end = undefined;
          if (error === undefined) resolve();
          else reject(error);
        };
      });
    };
    return {
      applied: { index: 0 },
      flush,
      get dirtyBytes(): number {
        return scene.dirtyBytes;
      },
      get appliedFloor(): number {
        return scene.appliedFloor;
      },
    } as unknown as PageStore;
  }

  #state(): GroupState {
    const applied = (): object => ({ index: this.appliedIndex });
    const scene = this;
    return {
      *settle(): Generator<void> {
        for (let step = 0; step < scene.steps; step++) yield;
      },
      prepareFlush: applied,
      get work(): number {
        return scene.work;
      },
      get isCrowded(): boolean {
        return scene.isCrowded;
      },
      get applied(): object {
        return applied();
      },
    } as unknown as GroupState;
  }

  #wal(): Wal {
    const scene = this;
    return {
      get logBytes(): number {
        return scene.logBytes;
      },
      release: (_group: number, through: number) => this.released.push(through),
    } as unknown as Wal;
  }

  /** Something was applied; looks at the clock. */
  async tick(): Promise<void> {
    this.appliedIndex++;
    this.flusher.tick();
    await settle();
  }

  async finish(error?: LedgerError): Promise<void> {
    this.end!(error);
    await settle();
  }
}

describe("a flush is due", () => {
  test("when much is dirty, after some time, or after much log; else it waits", async () => {
    const scene = new Scene();
    await scene.tick();
    expect(scene.flushes).toBe(0);
    scene.dirtyBytes = FLUSH_DIRTY_BYTES;
    await scene.tick();
    expect(scene.flushes).toBe(1);
    await scene.tick();
    expect(scene.flushes).toBe(1);
    scene.dirtyBytes = 0;
    await scene.finish();
    scene.time.advance(FLUSH_INTERVAL_MS - 1);
    await scene.tick();
    expect(scene.flushes).toBe(1);
    scene.time.advance(1);
    await scene.tick();
    expect(scene.flushes).toBe(2);
    scene.logBytes = 7 * FLUSH_LOG_BYTES;
    await scene.finish();
    scene.logBytes += FLUSH_LOG_BYTES - 1;
    await scene.tick();
    expect(scene.flushes).toBe(2);
    scene.logBytes++;
    await scene.tick();
    expect(scene.flushes).toBe(3);
  });

  test("when much would have to be applied again after a crash, counted from where the last one began", async () => {
    const scene = new Scene();
    scene.work = FLUSH_WORK - 1;
    await scene.tick();
    expect(scene.flushes).toBe(0);
    scene.work++;
    await scene.tick();
    expect(scene.flushes).toBe(1);
    scene.work += FLUSH_WORK;
    await scene.finish();
    await scene.tick();
    expect(scene.flushes).toBe(2);
  });

  test("sooner where the node is told so", async () => {
    const scene = new Scene({ intervalMs: 10, work: 5, logBytes: 100 });
    scene.work = 4;
    scene.logBytes = 99;
    await scene.tick();
    expect(scene.flushes).toBe(0);
    for (const makeDue of [
      () => scene.time.advance(10),
      () => (scene.work += 5),
      () => (scene.logBytes += 100),
    ]) {
      const before = scene.flushes;
      makeDue();
      await scene.tick();
      expect(scene.flushes).toBe(before + 1);
      await scene.finish();
    }
  });

  test("not for the time or the log while nothing was applied since the last one", async () => {
    const scene = new Scene();
    scene.time.advance(FLUSH_INTERVAL_MS);
    await scene.tick();
    await scene.finish();
    scene.time.advance(10 * FLUSH_INTERVAL_MS);
    scene.flusher.tick();
    expect([scene.flushes, scene.flusher.flushedIndex]).toEqual([1, 1]);
  });

  // What is only read was kept in memory until something was applied: a node that nobody writes to ran out of it.
  test("when readers brought much into memory, though nothing was applied, and not more often than once a second", async () => {
    const scene = new Scene();
    scene.isCrowded = true;
    scene.time.advance(FLUSH_CROWDED_MS - 1);
    scene.flusher.tick();
    await settle();
    expect(scene.flushes).toBe(0);
    scene.time.advance(1);
    scene.flusher.tick();
    await settle();
    expect(scene.flushes).toBe(1);
    await scene.finish();
    scene.flusher.tick();
    await settle();
    expect(scene.flushes).toBe(1);
    scene.time.advance(FLUSH_CROWDED_MS);
    scene.isCrowded = false;
    scene.flusher.tick();
    await settle();
    expect(scene.flushes).toBe(1);
  });

  test("and writers wait when far more is dirty than that", () => {
    const scene = new Scene();
    scene.dirtyBytes = 2 * FLUSH_DIRTY_BYTES;
    expect(scene.flusher.isStalled).toBe(false);
    scene.dirtyBytes++;
    expect(scene.flusher.isStalled).toBe(true);
  });
});

describe("flushes", () => {
  test("INV-FLUSHER-1: release the log behind the older slot, not behind what was flushed", async () => {
    const scene = new Scene();
    scene.appliedIndex = 10;
    void scene.flusher.flush();
    await settle();
    // The flush wrote the newer slot; the older one still needs the log from the start.
    scene.appliedFloor = 0;
    await scene.finish();
    expect([scene.flusher.flushedIndex, scene.released]).toEqual([10, [0]]);
    scene.appliedIndex = 25;
    void scene.flusher.flush();
    await settle();
    expect(scene.released).toEqual([0]);
    scene.appliedFloor = 10;
    await scene.finish();
    expect([scene.flusher.flushedIndex, scene.released]).toEqual([25, [0, 10]]);
  });

  /**
   * The story: `flush` waited for the running one and then began, so two that waited for the same one began
   * both. The store has one flush at a time and took the second for a bug, which stopped the node: a close
   * that met a flush could end in a fatal error.
   */
  test("that were asked for while one runs come one after the other", async () => {
    const scene = new Scene();
    const all = Promise.all([scene.flusher.flush(), scene.flusher.flush(), scene.flusher.flush()]);
    for (let i = 1; i <= 3; i++) {
      await settle();
      expect(scene.flushes).toBe(i);
      await scene.finish();
    }
    await all;
    expect(scene.fatal).toEqual([]);
    expect(scene.ended).toBe(3);
  });

  test("that find no room tell the writers, are tried again later, and tell them when there was room", async () => {
    const scene = new Scene();
    scene.time.advance(FLUSH_INTERVAL_MS);
    await scene.tick();
    await scene.finish(new LedgerError("DISK_FULL", "no room"));
    expect([scene.room, scene.released, scene.flusher.flushedIndex]).toEqual([
      ["DISK_FULL"],
      [],
      0,
    ]);
    scene.time.advance(FLUSH_RETRY_MS - 1);
    await scene.tick();
    expect(scene.flushes).toBe(1);
    scene.time.advance(1);
    await scene.tick();
    await scene.finish();
    expect(scene.room).toEqual(["DISK_FULL", "room"]);
    scene.time.advance(FLUSH_INTERVAL_MS);
    await scene.tick();
    await scene.finish();
    expect([scene.room.length, scene.fatal]).toEqual([2, []]);
  });

  /**
   * The story: nothing was applied since the last flush when an export asked for one, which found no room. Writes were
   * refused from then on, so nothing was applied any more, and a flush was never tried again: not even when there was room.
   */
  test("that find no room are tried again also where nothing was applied since the last good one", async () => {
    const scene = new Scene();
    const asked = scene.flusher.flush();
    await settle();
    await scene.finish(new LedgerError("DISK_FULL", "no room"));
    await asked;
    scene.time.advance(FLUSH_RETRY_MS - 1);
    scene.flusher.tick();
    await settle();
    expect(scene.flushes).toBe(1);
    scene.time.advance(1);
    scene.flusher.tick();
    await settle();
    expect(scene.flushes).toBe(2);
    await scene.finish();
    expect(scene.room).toEqual(["DISK_FULL", "room"]);
  });

  test("that fail otherwise are fatal and release nothing", async () => {
    const scene = new Scene();
    const error = new LedgerError("SYNC_FAILED", "EIO");
    scene.time.advance(FLUSH_INTERVAL_MS);
    await scene.tick();
    await scene.finish(error);
    expect([scene.fatal, scene.released, scene.flusher.flushedIndex]).toEqual([[error], [], 0]);
  });
});

describe("INV-FLUSHER-2: after the node has stopped", () => {
  /** The story: a flush that ran when an entry failed ended, found the next one due, and wrote half an entry. */
  test("no flush begins, though one is due, asked for, or was waiting", async () => {
    const scene = new Scene();
    scene.time.advance(FLUSH_INTERVAL_MS);
    await scene.tick();
    const waiting = scene.flusher.flush();
    scene.flusher.stop();
    await scene.finish();
    await waiting;
    scene.time.advance(FLUSH_INTERVAL_MS);
    await scene.tick();
    await scene.flusher.flush();
    expect([scene.flushes, scene.end]).toEqual([1, undefined]);
  });

  test("no flush begins that was about to: between two steps of its preparation", async () => {
    const scene = new Scene();
    scene.steps = 3;
    scene.time.advance(FLUSH_INTERVAL_MS);
    scene.appliedIndex++;
    scene.flusher.tick();
    scene.flusher.stop();
    for (let i = 0; i < 5; i++) await settle();
    expect([scene.flushes, scene.flusher.flushedIndex]).toEqual([0, 0]);
  });
});
