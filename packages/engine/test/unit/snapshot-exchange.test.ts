/** A snapshot from one replica to another: over bad links, through restarts of either side, and what is refused. */
import { readFileSync } from "node:fs";
import { FaultyDisk, type MemoryDisk } from "@authledger/io";
import { LedgerError, layoutTable, nodeId } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { FrameKind } from "../../src/cluster/peer-port.js";
import {
  decodeAck,
  decodeChunk,
  encodeAck,
  encodeChunk,
  SNAPSHOT_ACK,
  SNAPSHOT_CHUNK,
  type SnapshotChunk,
  type SnapshotPurpose,
} from "../../src/cluster/snapshot-frames.js";
import { SNAPSHOT_GIVE_UP_MS, SNAPSHOT_SILENT_MS } from "../../src/cluster/snapshot-limits.js";
import type { ReceivedSnapshot } from "../../src/cluster/snapshot-receiver.js";
import { deferred } from "../../src/deferred.js";
import { RECEIVER, SENDER, SnapshotPair } from "../snapshot-pair.js";

const PART = 1_024;

const SNAPSHOTS = "/n/groups/1/snapshots";
/** The last frame: head, rows, bytes, chain, check. */
const END_BYTES = 5 + 8 + 8 + 32 + 8;

async function builtFile({ disks }: SnapshotPair): Promise<string> {
  const files = await disks.sender.list(SNAPSHOTS);
  return `${SNAPSHOTS}/${files.find((name) => name.startsWith("built-"))}`;
}

/** The last byte of the built file changes. */
async function rot(pair: SnapshotPair): Promise<void> {
  const path = await builtFile(pair);
  const file = await pair.disks.sender.open(path);
  const last = new Uint8Array(1);
  file.readSync(last, file.size() - 1);
  await file.close();
  last[0]! ^= 1;
  (pair.disks.sender as MemoryDisk).corrupt(path, file.size() - 1, last);
}

async function cut(pair: SnapshotPair, bytes: number): Promise<void> {
  const file = await pair.disks.sender.open(await builtFile(pair));
  await file.truncate(file.size() - bytes);
  await file.close();
}

/** A replica with a state, which has received a later one that it does not use yet. Files of streams close when told to. */
async function receivedAgain(
  seed: string,
  closing: (told: Promise<void>) => Promise<void> = async () => undefined,
): Promise<{ pair: SnapshotPair & { letClose: () => void }; received: ReceivedSnapshot }> {
  const pair = await SnapshotPair.create(testRandom(seed));
  pair.begin();
  await pair.until(() => pair.isSent);
  await pair.receiver.close();
  const { promise, resolve } = deferred<void>();
  const { receiver: disk } = pair.disks;
  const open = disk.open.bind(disk);
  disk.open = async (path, options) => {
    const file = await open(path, options);
    const close = file.close.bind(file);
    // The first one is that which is written; who reads it closes it as ever.
    if (path.includes("received-") && options?.create === true) {
      file.close = async () => {
        await closing(promise);
        await close();
      };
    }
    return file;
  };
  await pair.openReceiver({ holds: true });
  const tuple = { resource: "doc:later", relation: "viewer", subject: "user:a" };
  pair.ledger.write(1, [{ op: "create_tuple", tuple, expiresAtMs: 0 }], "later");
  pair.sender.events.sent.length = 0;
  pair.sender.exchange.send(RECEIVER, pair.ledger.state.applied.index, "rebuild");
  await pair.until(() => pair.receiver.received !== undefined);
  const received = pair.receiver.received!;
  return { pair: Object.assign(pair, { letClose: resolve }), received };
}

describe("a replica that is given a snapshot", () => {
  test("has the same rows, log place and configuration afterwards, and its log begins behind it (INV-REPLICA-8)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange"));
    const { state } = pair.receiver.holder;
    pair.begin();
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent).toEqual([{ to: RECEIVER, ok: true, why: "installed" }]);
    expect(pair.receiver.dump()).toEqual(pair.sender.dump());
    // The same object that everybody held before.
    expect(pair.receiver.holder.state).toBe(state);
    expect(pair.receiver.logBegins).toBe(pair.ledger.log.length + 1);
    await pair.until(() => pair.receiver.holder.retired === 0);
    await pair.receiver.close();
    await pair.openReceiver();
    expect(pair.receiver.dump()).toEqual(pair.sender.dump());
    expect(pair.receiver.logBegins).toBe(pair.ledger.log.length + 1);
    expect(await pair.disks.receiver.list("/n/groups/1/snapshots")).toEqual([]);
    expect([...pair.receiver.events.fatal, ...pair.sender.events.fatal]).toEqual([]);
  });

  test("gets it over a link that loses, doubles and reorders (INV-REPLICA-4)", async () => {
    const random = testRandom("exchange link");
    const pair = await SnapshotPair.create(random, 1_024);
    pair.link = () => random.pick([0, 1, 1, 2]);
    pair.begin();
    await pair.until(() => pair.isSent, 5_000);
    expect(pair.sender.events.sent[0]!.ok).toBe(true);
    expect(pair.receiver.dump()).toEqual(pair.sender.dump());
    expect(pair.receiver.events.alarms).toEqual([]);
  });

  test.each(["receiver", "sender", "both"] as const)(
    "is given the rest after a restart of the %s, behind every part (INV-REPLICA-6)",
    async (who) => {
      const random = testRandom(`exchange ${who}`);
      let last = 1;
      for (let stopAt = 1; stopAt <= last; stopAt += Math.ceil(last / testRounds(5))) {
        const pair = await SnapshotPair.create(random, PART);
        let parts = 0;
        const sent = new Set<number>();
        pair.link = (_, { kind, payload }) => {
          if (kind !== FrameKind.snapshotChunk) return 1;
          const { data, offset, total } = decodeChunk(payload);
          last = Math.floor(total / PART) - 1;
          if (data.length === 0) return 1;
          sent.add(offset);
          return ++parts <= stopAt ? 1 : 0;
        };
        pair.begin();
        await pair.until(() => parts > stopAt);
        pair.loseFrames();
        const taken = stopAt * PART;
        if (who !== "sender") {
          await pair.receiver.close();
          await pair.openReceiver();
        }
        if (who !== "receiver") {
          await pair.sender.exchange.stop();
          await pair.sender.wal.close();
          await pair.openSender();
        }
        sent.clear();
        pair.link = (_, { kind, payload }) => {
          const chunk = kind === FrameKind.snapshotChunk ? decodeChunk(payload) : undefined;
          if (chunk !== undefined && chunk.data.length > 0) sent.add(chunk.offset);
          return 1;
        };
        if (who !== "receiver") pair.begin();
        await pair.until(() => pair.isSent);
        expect(pair.sender.events.sent[0]!.ok).toBe(true);
        expect(Math.min(...sent)).toBe(taken);
        expect(pair.receiver.dump()).toEqual(pair.sender.dump());
        await pair.receiver.close();
      }
    },
  );

  test("begins anew where its file holds other bytes than those that come (INV-REPLICA-4)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange other bytes"));
    let parts = 0;
    pair.link = (_, { kind }) => (kind === FrameKind.snapshotChunk && ++parts > 4 ? 0 : 1);
    pair.begin();
    await pair.until(() => parts > 5);
    await pair.receiver.close();
    const [file] = await pair.disks.receiver.list("/n/groups/1/snapshots");
    expect(file).toMatch(/^received-/);
    (pair.disks.receiver as MemoryDisk).corrupt(
      `/n/groups/1/snapshots/${file}`,
      9,
      new Uint8Array([8]),
    );
    await pair.openReceiver();
    pair.link = () => 1;
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent[0]!.ok).toBe(true);
    expect(pair.receiver.dump()).toEqual(pair.sender.dump());
  });

  test("refuses what is of another cluster or of a leader whose term is over, and keeps its state", async () => {
    for (const [more, why] of [
      [{ clusterId: "1".repeat(32) }, "clusterId"],
      [{ term: 2 }, "term 1 is over"],
    ] as const) {
      const pair = await SnapshotPair.create(testRandom("exchange refused"));
      await pair.receiver.close();
      await pair.openReceiver(more);
      pair.begin();
      await pair.until(() => pair.isSent);
      expect(pair.sender.events.sent[0]).toMatchObject({
        ok: false,
        why: expect.stringContaining(why),
      });
      expect(pair.receiver.holder.state.applied.index).toBe(0);
      expect(await pair.disks.receiver.list("/n/groups/1/snapshots")).toEqual([]);
    }
  });

  test("refuses a state whose roots are not those of its headers, and says so (INV-REPLICA-3)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange wrong state"));
    const { leaf } = pair.ledger.state.tables;
    const cursor = leaf.cursor();
    cursor.last();
    const row = cursor.value.slice();
    row[row.length - 1]! ^= 1;
    leaf.put(cursor.key.slice(), row);
    pair.begin();
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent[0]!.ok).toBe(false);
    expect(pair.receiver.events.alarms).toEqual([
      expect.stringMatching(/vault 7\/2, bucket \d+, path/),
    ]);
    expect(pair.receiver.holder.state.applied.index).toBe(0);
  });

  /**
   * The story: the receiver checks what came before it takes anything else, and answered nothing as long as that took. The
   * sender gave up after half a minute and offered the same state again, for every state that takes longer to check.
   */
  test("answers for as long as it checks what has come, so that nobody gives it up", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange slow check"));
    const { disk, time } = pair.receiver;
    let go: () => void = () => undefined;
    const checked = new Promise<void>((resolve) => {
      go = resolve;
    });
    const open = disk.open.bind(disk);
    disk.open = async (path, options) => {
      if (path.endsWith("loaded.db")) await checked;
      return open(path, options);
    };
    pair.begin();
    await pair.until(() => pair.receiver.exchange.stats.receiving === "loading");
    const from = time.monotonicMs();
    await pair.until(() => time.monotonicMs() > from + 2 * SNAPSHOT_GIVE_UP_MS, 5_000);
    expect(pair.sender.events.sent).toEqual([]);
    go();
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent[0]!.ok).toBe(true);
  });

  /**
   * The story: a wrong replica asked one peer after the other, every five seconds, and each of them sent. With every part
   * the streams took the file from each other and began anew, and neither sender ever had to give up.
   */
  test("takes one stream at a time, and another one when nobody sends the first any more (INV-REPLICA-14)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange two senders"), PART);
    const other = nodeId(3n);
    const answered: string[] = [];
    /** How much of the first stream the receiver had with each answer. */
    const taken: number[] = [];
    let isCut = false;
    const offer = (purpose: SnapshotPurpose, leaderTerm: number): void => {
      const uuid = new Uint8Array(16).fill(7);
      const about = { purpose, leaderTerm, uuid, index: 99, term: 1, total: 10 * PART, offset: 0 };
      const chunk = { ...about, chain: new Uint8Array(32), data: new Uint8Array(0) };
      const frame = { kind: FrameKind.snapshotChunk, payload: encodeChunk(chunk) };
      pair.receiver.exchange.onFrame(other, { ...frame, group: pair.group });
    };
    pair.link = (to, { kind, payload }) => {
      if (to === other) answered.push(decodeAck(payload).status);
      if (to === SENDER) taken.push(decodeAck(payload).offset);
      if (isCut) return 0;
      if (to === RECEIVER && kind === FrameKind.snapshotChunk && taken.length > 0) {
        offer("rebuild", 1);
        offer("catch-up", 1);
      }
      isCut = (taken.at(-1) ?? 0) >= 6 * PART;
      return 1;
    };
    pair.begin();
    await pair.until(() => isCut);
    expect(taken).toEqual([...taken].sort((a, b) => a - b));
    expect([answered, pair.receiver.exchange.isTaking]).toEqual([[], true]);
    const from = pair.time.monotonicMs();
    await pair.until(() => pair.time.monotonicMs() > from + SNAPSHOT_SILENT_MS + 1_000);
    expect(pair.receiver.exchange.isTaking).toBe(false);
    offer("rebuild", 1);
    await pair.until(() => answered.length > 0);
    expect(answered).toEqual(["wants"]);
    // A leader whose follower it is to be comes before whoever helps it to rebuild itself.
    isCut = false;
    pair.link = () => 1;
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent[0]!.ok).toBe(true);
    expect(pair.receiver.dump()).toEqual(pair.sender.dump());
  });

  // One file serves both: what had begun as a rebuild was taken as one when all was there, let go of, and sent once more.
  test("takes a stream that began as a rebuild for a catch-up once its leader says so", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange purpose"), PART);
    let parts = 0;
    pair.link = (to, { kind, payload }) => {
      if (to !== RECEIVER || kind !== FrameKind.snapshotChunk || ++parts > 3) return 1;
      const chunk = encodeChunk({ ...decodeChunk(payload), purpose: "rebuild" });
      pair.receiver.exchange.onFrame(SENDER, { kind, group: pair.group, payload: chunk });
      return 0;
    };
    pair.begin();
    await pair.until(() => pair.isSent);
    expect(parts).toBeGreaterThan(3);
    expect(pair.receiver.events.purposes).toEqual(["catch-up"]);
  });

  /** The story: what was thrown while a refused stream was removed went to nobody, and ended the process as a bug does. */
  test.each([
    ["EIO", false],
    ["ENOSPC", true],
  ])(
    "that cannot remove what it has refused stops, or says so where the disk is full (%s)",
    async (_, full) => {
      const pair = await SnapshotPair.create(testRandom("exchange not removed"));
      const { disk } = pair.receiver;
      const code = full ? "DISK_FULL" : "IO_WRITE_FAILED";
      disk.remove = async (path) => {
        if (path.includes("received-")) throw new LedgerError(code, `cannot remove ${path}`);
      };
      const { leaf } = pair.ledger.state.tables;
      const cursor = leaf.cursor();
      cursor.last();
      const row = cursor.value.slice();
      row[row.length - 1]! ^= 1;
      leaf.put(cursor.key.slice(), row);
      pair.begin();
      await pair.until(() => pair.isSent);
      expect(pair.sender.events.sent[0]!.ok).toBe(false);
      const { alarms, fatal } = pair.receiver.events;
      expect(fatal.map((error) => error.code)).toEqual(full ? [] : [code]);
      expect(alarms.filter((alarm) => alarm.includes("was not removed"))).toHaveLength(
        full ? 1 : 0,
      );
      await pair.receiver.close();
    },
  );

  test("whose disk finds no room in a sync of what it makes of it says so, and takes it later", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange full sync"));
    await pair.receiver.close();
    let times = 1;
    pair.disks.receiver = new FaultyDisk(pair.disks.receiver, ({ kind, path }) =>
      kind === "sync" && path.endsWith("loaded.db") && times-- > 0
        ? { kind: "fail", full: true }
        : undefined,
    );
    await pair.openReceiver();
    pair.begin();
    await pair.until(() => pair.isSent);
    pair.begin();
    await pair.until(() => pair.sender.events.sent.length === 2);
    expect(pair.sender.events.sent.map(({ ok }) => ok)).toEqual([false, true]);
    expect(pair.receiver.events.alarms).toEqual([expect.stringContaining("ENOSPC")]);
    expect(pair.receiver.events.fatal).toEqual([]);
  });

  /**
   * The story: it gave its state away when it found out that it was wrong. The transfer went on from the file of the old state;
   * and where switch.json could not be removed for want of room, the state that had been put in place was taken for one that had
   * not, and nothing else was ever received.
   */
  test.each([
    ["room", false],
    ["no room", true],
  ])(
    "to rebuild itself gives its old one to nobody, and is done when the new one is in place (INV-REPLICA-15, %s)",
    async (_, full) => {
      const { pair, received } = await receivedAgain("exchange rebuild");
      const { exchange, disk, events } = pair.receiver;
      pair.link = (to) => (to === SENDER ? 0 : 1);
      exchange.send(SENDER, 1, "rebuild");
      await pair.until(() => exchange.builtIndex !== undefined);
      const remove = disk.remove.bind(disk);
      disk.remove = async (path) => {
        if (full && (path.endsWith("switch.json") || path.includes("received-"))) {
          throw new LedgerError("DISK_FULL", `cannot remove ${path}: EDQUOT`);
        }
        return remove(path);
      };
      await exchange.rebuild(received, () => true);
      expect(events.sent).toEqual([
        { to: SENDER, ok: false, why: expect.stringContaining("wrong") },
      ]);
      pair.link = () => 1;
      await pair.until(() => pair.isSent && exchange.stats.receiving === "none");
      expect(pair.sender.events.sent.at(-1)!.ok).toBe(true);
      expect(pair.receiver.dump()).toEqual(pair.sender.dump());
      const left = await disk.list(SNAPSHOTS);
      expect(left.some((name) => name.startsWith("built-"))).toBe(false);
      expect([left.length > 0, events.alarms.length > 0]).toEqual([full, full]);
      expect(events.fatal).toEqual([]);
      disk.remove = remove;
      await pair.receiver.close();
      await pair.openReceiver();
      expect(await disk.list(SNAPSHOTS)).not.toContain("switch.json");
      expect(pair.receiver.dump()).toEqual(pair.sender.dump());
      await pair.receiver.close();
    },
  );

  /**
   * The story: what was given away was ended by the rebuild alone, which may be minutes away or never come: the transfer went on
   * to its end, and whoever waited for its turn was given a file that was built of what was known to be wrong by then.
   */
  test("ends what it gives, and what waits, as soon as it is known to be wrong (INV-REPLICA-15)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange wrong"), PART);
    const { exchange, disk, events } = pair.sender;
    let parts = 0;
    pair.link = (_, { kind }) => (kind === FrameKind.snapshotChunk && ++parts > 4 ? 0 : 1);
    pair.begin();
    for (const id of [3n, 4n]) exchange.send(nodeId(id), 1, "rebuild");
    await pair.until(() => parts > 5);
    expect(exchange.stats).toMatchObject({ active: 2, waiting: 1 });
    expect(await exchange.distrust()).toBe(true);
    const why = expect.stringContaining("wrong");
    const ended = [RECEIVER, nodeId(3n), nodeId(4n)].map((to) => ({ to, ok: false, why }));
    expect([events.sent, exchange.stats.active, exchange.stats.waiting]).toEqual([ended, 0, 0]);
    expect(await disk.list(SNAPSHOTS)).toEqual([]);
    expect([...events.alarms, ...events.fatal]).toEqual([]);
  });

  test("says so where there is no room to remove what was built of a wrong state (INV-REPLICA-15)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange wrong full"), PART);
    const { exchange, disk, events } = pair.sender;
    pair.begin();
    await pair.until(() => pair.isSent);
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      throw new LedgerError("DISK_FULL", `cannot remove ${path}: EDQUOT`);
    };
    expect(await exchange.distrust()).toBe(false);
    disk.remove = remove;
    expect(await exchange.distrust()).toBe(true);
    expect(events.fatal).toEqual([]);
    await exchange.stop();
    expect(await exchange.distrust()).toBe(false);
  });

  /**
   * The story: the log was asked whether it fits the state, then a compaction and a flush were waited for, and the flush let go of the
   * entries behind that state. It was put in place all the same: the node stopped, and could not start with that log any more.
   */
  test("is not put in place where the log has left it behind while a flush was waited for (INV-REPLICA-7)", async () => {
    const { pair, received } = await receivedAgain("exchange left behind");
    const { exchange, disk, events, holder } = pair.receiver;
    const before = holder.store;
    let fits = true;
    const replace = holder.replace.bind(holder);
    holder.replace = (switchFiles) => {
      fits = false;
      return replace(switchFiles);
    };
    await expect(exchange.rebuild(received, () => fits)).rejects.toMatchObject({
      code: "NOT_READY",
    });
    expect(holder.store).toBe(before);
    expect(await disk.list(SNAPSHOTS)).not.toContain("switch.json");
    expect(events.fatal).toEqual([]);
    await pair.receiver.close();
  });

  /**
   * The story: switch.json went, and the sync of its directory found no room. The receiver was not told that the state is in place:
   * it refused every stream until a restart, and whoever had sent gave up.
   */
  test("is done with it where the sync behind the switch finds no room", async () => {
    const { pair, received } = await receivedAgain("exchange full directory");
    const { exchange, disk, events } = pair.receiver;
    const sync = disk.syncDirectory.bind(disk);
    let isSwitched = false;
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      await remove(path);
      isSwitched ||= path.endsWith("switch.json");
    };
    disk.syncDirectory = async (directory) => {
      if (isSwitched) throw new LedgerError("DISK_FULL", `cannot sync ${directory}: EDQUOT`);
      return sync(directory);
    };
    await exchange.rebuild(received, () => true);
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent.at(-1)!.ok).toBe(true);
    expect([exchange.stats.receiving, events.fatal]).toEqual(["none", []]);
    expect(events.alarms).toEqual([expect.stringContaining("EDQUOT")]);
    await pair.receiver.close();
  });

  /**
   * The story: the state was of no use any more. While the file of the stream was being closed a part of it came and opened it
   * again; then it was removed, and was not found when it was loaded: "the disk has failed", on a disk that had not.
   */
  test("lets go of it without a part that comes meanwhile taking up the file that is removed", async () => {
    const { pair } = await receivedAgain("exchange discard", (closed) => closed);
    const { exchange, disk, events, time } = pair.receiver;
    const open = disk.open.bind(disk);
    disk.open = async (path, options) => {
      const file = await open(path, options);
      // The close that the removal waits for ends as soon as somebody has opened the file.
      if (path.includes("received-") && options?.create === true) pair.letClose();
      return file;
    };
    exchange.discard();
    const from = time.monotonicMs();
    await pair.until(() => time.monotonicMs() > from + 2_000);
    pair.letClose();
    await pair.until(() => time.monotonicMs() > from + 4_000);
    expect(events.fatal).toEqual([]);
    expect(pair.sender.events.sent.at(-1)).toMatchObject({ ok: false });
    await pair.receiver.close();
  });

  // The story: a file of no use could not be removed for want of room, and a healthy node ended.
  test("lets go of it also where its file cannot be removed for want of room", async () => {
    const { pair } = await receivedAgain("exchange discard full");
    const { exchange, disk, events } = pair.receiver;
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      if (path.endsWith("loaded.db")) throw new LedgerError("DISK_FULL", "cannot remove: EDQUOT");
      return remove(path);
    };
    exchange.discard();
    await pair.until(() => pair.isSent);
    expect([events.fatal, exchange.stats.receiving]).toEqual([[], "none"]);
    expect(events.alarms).toEqual([expect.stringContaining("was not removed")]);
    disk.remove = remove;
    await pair.receiver.close();
  });

  /**
   * The story: a write of the built file was lost. The sender had its running hashes in memory, so the receiver found that
   * part wrong, began anew, and was sent the same bytes again, for ever.
   */
  test("is given one that is built anew where the sender's file has rotted while it was sent (INV-REPLICA-13)", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange rotten file"), PART);
    let parts = 0;
    pair.link = (_, { kind }) => (kind === FrameKind.snapshotChunk && ++parts > 4 ? 0 : 1);
    pair.begin();
    await pair.until(() => parts > 5);
    await rot(pair);
    pair.link = () => 1;
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent[0]).toMatchObject({
      ok: false,
      why: expect.stringContaining("does not hold what was written"),
    });
    pair.begin();
    await pair.until(() => pair.sender.events.sent.length === 2);
    expect(pair.sender.events.sent[1]!.ok).toBe(true);
    expect(pair.receiver.dump()).toEqual(pair.sender.dump());
  });

  /** The story: a sender that was started again took the running hashes of whatever the file held by then. */
  test.each(["rotten", "cut off", "cut off behind a frame"])(
    "is given one that is built anew where the sender finds its file %s at its start (INV-REPLICA-13)",
    async (how) => {
      const pair = await SnapshotPair.create(testRandom("exchange rotten restart"), PART);
      let parts = 0;
      pair.link = (_, { kind }) => (kind === FrameKind.snapshotChunk && ++parts > 4 ? 0 : 1);
      pair.begin();
      await pair.until(() => parts > 5);
      pair.loseFrames();
      await pair.sender.exchange.stop();
      await pair.sender.wal.close();
      if (how === "rotten") await rot(pair);
      else await cut(pair, how === "cut off" ? 20 : END_BYTES);
      pair.link = () => 1;
      await pair.openSender();
      expect(await pair.disks.sender.list(SNAPSHOTS)).toEqual([]);
      pair.begin();
      await pair.until(() => pair.isSent);
      expect(pair.sender.events.sent[0]!.ok).toBe(true);
      expect(pair.receiver.dump()).toEqual(pair.sender.dump());
    },
  );

  test("is given up when it does not answer, and the next one gets its turn", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange silent"));
    pair.link = () => 0;
    pair.begin();
    await pair.until(() => pair.isSent, 2_000);
    expect(pair.sender.events.sent[0]).toMatchObject({
      ok: false,
      why: expect.stringContaining("no progress"),
    });
    expect(pair.sender.exchange.stats.active).toBe(0);
  });

  test("drops frames that cannot be read, with an alarm", async () => {
    const pair = await SnapshotPair.create(testRandom("exchange damaged"));
    const random = testRandom("exchange damaged frames");
    for (let i = 0; i < 50; i++) {
      const kind = random.pick([FrameKind.snapshotChunk, FrameKind.snapshotAck]);
      const payload = random.bytes(random.int(200));
      pair.receiver.exchange.onFrame(SENDER, { kind, group: pair.group, payload });
    }
    expect(pair.receiver.events.alarms).toHaveLength(50);
    pair.begin();
    await pair.until(() => pair.isSent);
    expect(pair.sender.events.sent[0]!.ok).toBe(true);
  });
});

describe("a frame of a snapshot", () => {
  const chunk: SnapshotChunk = {
    purpose: "rebuild",
    leaderTerm: 7,
    uuid: new Uint8Array(16).fill(1),
    index: 1_000,
    term: 6,
    total: 5_000_000_000,
    offset: 4_999_999_997,
    chain: new Uint8Array(32).fill(2),
    data: new Uint8Array([1, 2, 3]),
  };
  const ack = {
    status: "refused",
    uuid: chunk.uuid,
    index: 9,
    offset: 10,
    reason: "because",
  } as const;

  test("comes back as it was written", () => {
    expect(decodeChunk(encodeChunk(chunk))).toEqual(chunk);
    expect(decodeAck(encodeAck(ack))).toEqual(ack);
  });

  test("with any byte changed is refused or another one, never a crash", () => {
    for (const [bytes, decode] of [
      [encodeChunk(chunk), decodeChunk],
      [encodeAck(ack), decodeAck],
    ] as const) {
      for (let at = 0; at < bytes.length; at++) {
        const copy = bytes.slice();
        copy[at]! ^= 0x81;
        try {
          decode(copy);
        } catch (error) {
          expect(error).toMatchObject({ code: "SNAPSHOT_CORRUPT" });
        }
      }
      expect(() => decode(bytes.slice(0, 20))).toThrow(/frame of a replica's snapshot/);
    }
    const damaged = encodeChunk(chunk);
    damaged[damaged.length - 1]! ^= 1;
    expect(() => decodeChunk(damaged)).toThrow(/crc32/);
    expect(() => decodeChunk(encodeChunk({ ...chunk, total: 10 }))).toThrow(/beyond/);
    expect(() =>
      decodeChunk(encodeChunk({ ...chunk, data: new Uint8Array(600_000), offset: 0 })),
    ).toThrow(/600000 bytes/);
  });

  test.each([
    ["chunk", SNAPSHOT_CHUNK],
    ["answer", SNAPSHOT_ACK],
  ])("has its table of the %s in docs/format/replica-snapshot.md", (_, layout) => {
    const url = new URL("../../../../docs/format/replica-snapshot.md", import.meta.url);
    const text = readFileSync(url, "utf8").replaceAll(/ +\|/g, " |");
    for (const row of layoutTable(layout).split("\n").slice(2)) expect(text).toContain(row);
  });
});
