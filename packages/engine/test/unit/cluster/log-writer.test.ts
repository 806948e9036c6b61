/** What the writer of a group's log does where the log has no room, and around a state that is installed. */
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
  /** Ends the install that runs. */
  install: () => void = () => undefined;

  constructor() {
    const { seen } = this;
    const wal = {
      batchBytesMax: 1 << 20,
      append: (records: readonly WalRecord[]) => {
        seen.push(`log ${records.map(({ kind }) => kind)}`);
        return new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
      },
    };
    this.writer = new LogWriter(groupId(1), {
      wal: wal as unknown as Wal,
      onDurable: ({ append }) => seen.push(`durable ${append}`),
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
