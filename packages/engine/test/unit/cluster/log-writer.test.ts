/** What the writer of a group's log does where the log has no room, and around a state that is installed. */
import { encodeConfigurationChange } from "@authledger/raft";
import { groupId, LedgerError } from "@authledger/types";
import type { Wal, WalRecord } from "@authledger/wal";
import { describe, expect, test } from "vitest";
import { NO_MEMBERSHIP } from "../../../src/cluster/group-configuration.js";
import { type AppendAction, LogWriter } from "../../../src/cluster/log-writer.js";
import { settle } from "../../engine-support.js";

const FULL = new LedgerError("DISK_FULL", "no room for a segment");
const RECORD: WalRecord = {
  kind: "snapshot",
  group: groupId(1),
  uuid: new Uint8Array(16),
  index: 9,
  term: 1,
  configuration: new Uint8Array(0),
};

/** A writer over a log that answers when and how the test says. */
class Scene {
  readonly seen: string[] = [];
  readonly writer: LogWriter;
  /** Appends of the log that wait, in order. */
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] =
    [];
  readonly records: WalRecord[] = [];
  /** What the core does when it hears of a durable append. */
  onDurable: (append: number) => void = () => undefined;
  /** Ends the install that runs. */
  install: () => void = () => undefined;

  constructor() {
    const { seen, records: all } = this;
    const wal = {
      batchBytesMax: 1 << 20,
      group: () => ({ commitHint: 3 }),
      append: (records: readonly WalRecord[]) => {
        seen.push(`log ${records.map(({ kind }) => kind)}`);
        all.push(...records);
        return new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
      },
    };
    this.writer = new LogWriter(groupId(1), {
      wal: wal as unknown as Wal,
      onDurable: ({ append }) => {
        seen.push(`durable ${append}`);
        this.onDurable(append);
      },
      onRefused: ({ code }) => {
        seen.push(`refused: ${code}`);
        this.writer.forget();
      },
      install: () => {
        seen.push("install");
        return new Promise((resolve) => {
          this.install = () => resolve([RECORD]);
        });
      },
      onInstalled: () => seen.push("installed"),
      onFatal: ({ code }) => seen.push(`fatal: ${code}`),
    });
  }

  append(append: number, about: Partial<AppendAction> = {}): void {
    const entries = [{ index: append, term: 1, payload: new Uint8Array(1) }];
    const base = { kind: "append", append, entries, whenDurable: [], mustSync: true } as const;
    this.writer.append({ ...base, ...about } as AppendAction);
  }

  take(append: number): void {
    const snapshot = { index: 9, term: 1, membership: NO_MEMBERSHIP };
    this.append(append, { entries: [], snapshot });
  }

  async answer(error?: Error): Promise<void> {
    const first = this.#waiting.shift()!;
    if (error === undefined) first.resolve();
    else first.reject(error);
    await settle(1);
  }
}

describe("INV-REPLICA-7: a state that is installed", () => {
  test("has its record in the log before anybody is told, and what follows behind it", async () => {
    const scene = new Scene();
    scene.take(1);
    scene.append(2);
    await settle(1);
    scene.install();
    await settle(1);
    expect(scene.seen).toEqual(["install", "log snapshot"]);
    await scene.answer();
    expect(scene.seen.slice(2)).toEqual(["installed", "durable 1", "log entry"]);
  });

  // The story: the state was in place, its record was refused, and a second later a core began anew over the old log, which ended
  // before the state: a broken invariant; where the log was longer a follower that refused the leader's entries for ever.
  test.each(["DISK_FULL", "OVERLOADED"] as const)(
    "stops the node where the log refuses its record (%s): the next start ends what was begun",
    async (code) => {
      const scene = new Scene();
      scene.take(1);
      await settle(1);
      scene.install();
      await settle(1);
      await scene.answer(new LedgerError(code, "no room"));
      await scene.writer.idle();
      expect(scene.seen.slice(2)).toEqual(["fatal: IO_WRITE_FAILED"]);
    },
  );

  test("is not put in place where what is before it was refused", async () => {
    const scene = new Scene();
    scene.append(1);
    scene.take(2);
    await scene.answer(FULL);
    await scene.writer.idle();
    expect(scene.seen).toEqual(["log entry", "refused: DISK_FULL"]);
    scene.append(3);
    expect(scene.seen.at(-1)).toBe("log entry");
  });

  test("has its record in the log also where the core that took it is gone meanwhile", async () => {
    const scene = new Scene();
    scene.take(1);
    await settle(1);
    scene.writer.forget();
    scene.install();
    await settle(1);
    await scene.answer();
    await scene.writer.idle();
    expect(scene.seen).toEqual(["install", "log snapshot", "installed"]);
  });
});

// The story: a node in doubt of its log took a state while a new leader's term waited behind it. With the state it was sure again, and
// its word for that leader was written before the term: a vote that changed within a term, which the log does not take.
test("what follows from an installed state is written behind what has waited for it (INV-GROUP-4)", async () => {
  const scene = new Scene();
  scene.onDurable = (append) => {
    if (append === 1) scene.append(3);
  };
  scene.take(1);
  scene.append(2);
  await settle(1);
  scene.install();
  await settle(1);
  await scene.answer();
  expect(scene.records.slice(1)).toMatchObject([{ index: 2 }, { index: 3 }]);
});

// The story: a voter that had been away got two changes of the configuration in one append, and knew only in memory that the first
// was committed. Started again it stood for election by the configuration before both, and won without a majority of the newest.
test("INV-GROUP-11: a change of the configuration is on the disk with what is committed before it", () => {
  const scene = new Scene();
  const change = encodeConfigurationChange({
    ...{ transition: "auto", changes: [], context: new Uint8Array(0) },
  });
  const entry = (index: number, payload: Uint8Array) => ({ index, term: 1, payload });
  scene.append(1);
  expect(scene.records.map(({ kind }) => kind)).toEqual(["entry"]);
  scene.append(2, { entries: [entry(2, change)] });
  expect(scene.records.at(-1)).toEqual({ kind: "commit-hint", group: 1, index: 2 });
  const commit = { term: 1, vote: undefined, commit: 4 };
  scene.append(3, { entries: [], mustSync: false, hardState: commit });
  scene.append(4, { entries: [entry(4, change), entry(5, change)] });
  expect(scene.records.slice(3).map(({ kind }) => kind)).toEqual(["entry", "entry", "commit-hint"]);
  expect(scene.records.at(-1)).toMatchObject({ index: 4 });
  // Another core says for itself what is committed.
  scene.writer.forget();
  scene.append(5, { entries: [entry(6, change)] });
  expect(scene.records.at(-1)).toMatchObject({ index: 3 });
});

// The story: the word rode where a batch had room to spare, or in none: who was removed had to vote that it was.
test("INV-GROUP-11: the first entries behind a change that is known to be committed are on the disk with that", () => {
  const scene = new Scene();
  const change = encodeConfigurationChange({
    ...{ transition: "auto", changes: [], context: new Uint8Array(0) },
  });
  const hint = () =>
    scene.records.splice(0).flatMap((r) => (r.kind === "commit-hint" ? r.index : []));
  const commit = (index: number) => ({ hardState: { term: 1, vote: undefined, commit: index } });
  scene.append(5, { entries: [{ index: 5, term: 1, payload: change }] });
  expect(hint()).toEqual([3]);
  scene.append(6);
  scene.append(7, commit(4));
  expect(hint()).toEqual([4]);
  scene.append(8, { ...commit(5), entries: [], mustSync: false });
  expect(hint()).toEqual([]);
  scene.append(9);
  expect(hint()).toEqual([5]);
  scene.append(10, commit(9));
  expect(hint()).toEqual([]);
});

describe("the end of a doubt", () => {
  // It was refused with the appends beside it, and the node stopped as if its disk had failed.
  test("that the log has no room for pauses the group, as any other append", async () => {
    const scene = new Scene();
    scene.append(1);
    scene.writer.endDoubt();
    await scene.answer(FULL);
    await scene.answer(FULL);
    expect(scene.seen.slice(2)).toEqual(["refused: DISK_FULL"]);
  });

  test("that fails otherwise stops the node", async () => {
    const scene = new Scene();
    scene.writer.endDoubt();
    await scene.answer(new LedgerError("SYNC_FAILED", "the disk is gone"));
    expect(scene.seen.at(-1)).toBe("fatal: SYNC_FAILED");
  });
});
