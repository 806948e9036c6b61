/**
 * A node that loses power, or whose disk fails, while it puts another replica's state in place: at its next start it
 * has the old state with the old log, or the new state with a log that begins behind it (INV-REPLICA-7).
 */
import { FaultyDisk, type MemoryDisk, type SeededRandom } from "@authledger/io";
import { toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { type Replica, SnapshotPair } from "../snapshot-pair.js";

/** A receiver that holds a state of its own and entries behind it, none of which the snapshot agrees with. */
async function pairWithPast(random: SeededRandom): Promise<SnapshotPair> {
  const pair = await SnapshotPair.create(random, 2_048, 12);
  const { receiver } = pair;
  for (let index = 1; index <= 5; index++) {
    receiver.holder.state.apply(index, 1, new Uint8Array(0));
    await receiver.wal.append([
      { kind: "entry", group: pair.group, index, term: 1, payload: new Uint8Array(0) },
    ]);
  }
  const { state, store } = receiver.holder;
  await store.flush(state.prepareFlush());
  return pair;
}

/** Lets the pair go on to the moment before the switch, then installs on what `watch` is given to see. */
async function installed(pair: SnapshotPair, watched: FaultyDisk): Promise<void> {
  await pair.receiver.close();
  pair.disks.receiver = watched;
  await pair.openReceiver({ holds: true });
  pair.begin();
  await pair.until(() => pair.receiver.received !== undefined);
}

/** What is found on a disk: old or new, and whether the log fits it. */
async function lookAt(
  pair: SnapshotPair,
  disk: MemoryDisk,
): Promise<{ readonly which: "old" | "new"; readonly replica: Replica }> {
  pair.disks.receiver = disk;
  await pair.openReceiver();
  const { receiver: replica } = pair;
  const { applied } = replica.holder.state;
  const which = applied.index === 5 ? "old" : "new";
  const log = replica.wal.group(pair.group)!;
  expect(log.firstIndex).toBeLessThanOrEqual(applied.index + 1);
  if (which === "old") {
    expect([log.lastIndex, log.snapshot]).toEqual([5, undefined]);
  } else {
    expect(replica.dump()).toEqual(pair.sender.dump());
    expect([log.lastIndex, log.term(applied.index)]).toEqual([applied.index, applied.term]);
    expect(toHex(log.snapshot!.uuid)).toBe(toHex(replica.holder.store.uuid));
    expect(log.hardState.term).toBeGreaterThanOrEqual(applied.term);
  }
  return { which, replica };
}

describe("a node that puts another state in place", () => {
  test("and loses power at any write, sync or rename finds the old or the new state with its log, and takes it again (INV-REPLICA-7)", async () => {
    const random = testRandom("install power");
    const pair = await pairWithPast(random);
    const inner = (pair.disks.receiver as MemoryDisk).fork();
    const forks: MemoryDisk[] = [];
    let isWatching = false;
    const watched = new FaultyDisk(inner, () => {
      if (isWatching) forks.push(inner.fork());
    });
    await installed(pair, watched);
    isWatching = true;
    await pair.receiver.install();
    isWatching = false;
    expect((await lookAt(pair, inner.fork())).which).toBe("new");
    const seen = { old: 0, new: 0 };
    expect(forks.length).toBeGreaterThan(15);
    for (
      let at = 0;
      at < forks.length;
      at += Math.max(1, Math.floor(forks.length / testRounds(25)))
    ) {
      for (const unsynced of ["random", "lost", "kept"] as const) {
        const { which, replica } = await lookAt(pair, forks[at]!.crash(random, { unsynced }));
        seen[which]++;
        // It goes on: whatever it has, it can be given the state again.
        if (which === "old" && at % 4 === 0) {
          pair.sender.exchange.stopSending("catch-up");
          pair.loseFrames();
          pair.sender.events.sent.length = 0;
          pair.begin();
          await pair.until(() => pair.isSent);
          expect(replica.dump()).toEqual(pair.sender.dump());
        }
        await replica.close();
      }
    }
    expect(seen.old).toBeGreaterThan(5);
    expect(seen.new).toBeGreaterThan(5);
  }, 60_000);

  test("whose n-th call of the disk fails stops, or has the state; the next start finds one of both (INV-REPLICA-7)", async () => {
    const random = testRandom("install nth");
    const origin = await pairWithPast(random);
    const start = origin.disks.receiver as MemoryDisk;
    const seen = { old: 0, new: 0 };
    let isInjected = true;
    for (let n = 0; isInjected; n++) {
      isInjected = false;
      const inner = start.fork();
      let calls = -1;
      const watched = new FaultyDisk(inner, () => {
        if (calls < 0 || calls++ !== n) return undefined;
        isInjected = true;
        return { kind: "fail", writtenBytes: 300 };
      });
      await installed(origin, watched);
      calls = 0;
      const failed = await origin.receiver.install().then(
        () => false,
        () => true,
      );
      calls = -1;
      const { which, replica } = await lookAt(origin, inner.crash(random));
      seen[which]++;
      if (!failed) expect(which).toBe("new");
      await replica.close();
      origin.sender.exchange.stopSending("catch-up");
      origin.loseFrames();
    }
    expect(seen.old).toBeGreaterThan(3);
    expect(seen.new).toBeGreaterThan(3);
  }, 60_000);
});
