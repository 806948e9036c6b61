/**
 * The n-th call of the disk fails, for every n, over the scripted life of a node: what is answered is right or a
 * typed error, what was acknowledged is there after the next start, and that start works.
 *
 * By default a share of all n, another one each time; `NTH_IO=all` takes every one of them (CONTRIBUTING.md).
 */
import {
  type DiskFault,
  type DiskOperation,
  FaultyDisk,
  MemoryDisk,
  SeededRandom,
} from "@authledger/io";
import { AssertionError, LedgerError, type Operation } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testSeed } from "../../../../test/support.js";
import {
  createTuple,
  LINEARIZABLE,
  newVault,
  openNode,
  setEntity,
  settle,
  type TestNode,
  TestTime,
  tupleOf,
  writeOne,
} from "../engine-support.js";
import { LightReader } from "../light-reader.js";

const SEGMENT = 32 * 1024;
/** Lives of each kind in an ordinary run. */
const SHARE = 20;

/** What a client knows of the world. */
class World {
  vault: number | undefined;
  reader: LightReader | undefined;
  /** Documents that were acknowledged to be there, and to be gone. */
  readonly there = new Set<string>();
  readonly gone = new Set<string>();
}

/** The node has stopped: its life is over. */
class Stopped extends Error {}

/** One life on one disk; restarts are part of it. */
class Life {
  readonly world = new World();
  readonly time = new TestTime();
  readonly #disk: FaultyDisk;
  readonly #seed: number;
  node: TestNode | undefined;
  readonly errors: LedgerError[] = [];

  constructor(disk: FaultyDisk, seed: number) {
    this.#disk = disk;
    this.#seed = seed;
  }

  async run(): Promise<void> {
    try {
      await this.#script();
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }

  async #script(): Promise<void> {
    await this.#open();
    for (let i = 0; i < 6; i++) await this.#write(`doc:${i}`);
    await this.#conditional();
    await this.#read();
    await this.#expire();
    await this.#flush();
    for (let part = 0; part < 4; part++) await this.#bulk(part);
    await this.#flush();
    for (let part = 0; part < 4; part++) await this.#unbulk(part);
    await this.#flush();
    await this.#step(() => this.#engine.call("compact", { fillThreshold: 0.4 }));
    await this.#check();
    await this.#read();
    await this.#step(async () => {
      const { engine } = this.node!;
      await engine.close();
      if (engine.failure !== undefined) throw engine.failure;
    });
    await this.#open();
    await this.#read();
    for (let i = 6; i < 9; i++) await this.#write(`doc:${i}`);
    await this.#read();
    // Killed: nothing is closed.
  }

  get #engine(): TestNode["engine"] {
    return this.node!.engine;
  }

  /** What a step throws is typed; when it stopped the node, the life is over. */
  async #step<T>(run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      if (error instanceof AssertionError || error.code === "INTERNAL") throw error;
      this.errors.push(error);
      if (this.node === undefined || this.#engine.failure !== undefined) throw new Stopped();
      return undefined;
    }
  }

  async #open(): Promise<void> {
    this.node = undefined;
    const { time } = this;
    const options = { seed: this.#seed, time, logSegmentBytes: SEGMENT, cacheBytes: 1 << 20 };
    const opened = await this.#step(() => openNode(this.#disk, options));
    this.node = opened;
    if (opened === undefined) throw new Stopped();
    const { world } = this;
    world.vault ??= await this.#step(() => newVault(opened.engine));
    if (world.vault === undefined) throw new Stopped();
    world.reader ??= await this.#step(() => LightReader.of(opened.engine, world.vault!));
  }

  /** True when it was acknowledged. */
  async #send(operations: readonly Operation[]): Promise<boolean> {
    const outcome = await this.#step(() => writeOne(this.#engine, this.world.vault!, operations));
    if (outcome?.kind === "refused") expect(outcome.code).not.toBe("INTERNAL");
    if (this.#engine.failure !== undefined) throw new Stopped();
    return outcome?.kind === "applied";
  }

  async #write(name: string): Promise<void> {
    if (await this.#send([createTuple(name)])) this.world.there.add(name);
  }

  async #bulk(part: number): Promise<void> {
    const names = bulkOf(part);
    if (await this.#send(names.map((name) => createTuple(name)))) {
      for (const name of names) this.world.there.add(name);
    }
  }

  async #unbulk(part: number): Promise<void> {
    const names = bulkOf(part).slice(1);
    for (const name of names) this.world.there.delete(name);
    const operations = names.map((name) => ({ op: "delete_tuple", tuple: tupleOf(name) }) as const);
    if (await this.#send(operations)) for (const name of names) this.world.gone.add(name);
  }

  async #conditional(): Promise<void> {
    const none = { op: "tuple_must_not_exist", tuple: tupleOf("doc:none") } as const;
    if (await this.#send([none, createTuple("doc:if")])) this.world.there.add("doc:if");
    const there = { op: "tuple_must_exist", tuple: tupleOf("doc:none") } as const;
    expect(await this.#send([there, createTuple("doc:never")])).toBe(false);
    this.world.gone.add("doc:never");
    await this.#send([setEntity("entity", "a value")]);
  }

  async #expire(): Promise<void> {
    const tuple = tupleOf("doc:soon");
    const expiresAtMs = this.time.wallMs + 500;
    await this.#send([{ op: "create_tuple", tuple, expiresAtMs }]);
    this.time.advance(1_000);
    await settle(10);
    this.world.gone.add("doc:soon");
  }

  /** Proven reads of everything that is known. */
  async #read(): Promise<void> {
    const { reader } = this.world;
    if (reader === undefined) return;
    const known = await this.#step(() => answers(this.node!, reader, this.world));
    if (known !== undefined) expectKnown(known, this.world);
    const { vault } = reader;
    const ask = { vault, consistency: LINEARIZABLE, keys: ["entity"] };
    await this.#step(() => this.#engine.call("read_entities", ask));
  }

  async #check(): Promise<void> {
    const ask = { waitMs: 60_000, follow: false };
    const status = await this.#step(() => this.#engine.call("check_integrity", ask));
    // A read that failed is told as what it is, and nothing else is found.
    for (const { area } of status?.differences ?? []) expect(area).toBe("page");
  }

  async #flush(): Promise<void> {
    this.time.advance(31_000);
    await settle(25);
    if (this.#engine.failure !== undefined) throw new Stopped();
  }
}

function bulkOf(part: number): string[] {
  return Array.from({ length: 60 }, (_, i) => `bulk:${part}/${i}`);
}

/** Which of everything known is there, proven. */
async function answers(
  node: TestNode,
  reader: LightReader,
  world: World,
): Promise<Map<string, boolean>> {
  const names = [...world.there, ...world.gone];
  if (names.length === 0) return new Map();
  const found = await reader.check(
    node,
    names.map((name) => tupleOf(name)),
  );
  return new Map(names.map((name, i) => [name, found[i]!]));
}

function expectKnown(found: ReadonlyMap<string, boolean>, { there, gone }: World): void {
  const lost = [...there].filter((name) => found.get(name) === false);
  const back = [...gone].filter((name) => found.get(name) === true);
  expect({ lost, back }).toEqual({ lost: [], back: [] });
}

/** A life whose n-th call that `isOfKind` fails once; what it leaves is opened and read. */
async function liveAndRecover(
  n: number,
  fault: DiskFault,
  isOfKind: (operation: DiskOperation) => boolean,
  seed: number,
): Promise<{ readonly failed: DiskOperation | undefined; readonly count: number }> {
  const disk = new MemoryDisk();
  let count = 0;
  let failed: DiskOperation | undefined;
  const faulty = new FaultyDisk(disk, (operation) => {
    if (!isOfKind(operation) || count++ !== n) return undefined;
    failed = operation;
    return fault;
  });
  const life = new Life(faulty, seed);
  const place = (): string => (failed ? `${failed.kind} ${failed.path} at ${failed.position}` : "");
  try {
    await life.run();
    const { world, time } = life;
    const found = disk.crash(new SeededRandom(seed + n), { unsynced: "random" });
    const after = await openNode(found, {
      seed,
      time,
      logSegmentBytes: SEGMENT,
      cacheBytes: 1 << 20,
    });
    if (world.reader !== undefined) expectKnown(await answers(after, world.reader, world), world);
    await after.engine.close();
    // What a closed node left is whole.
    const again = await openNode(found, { seed, time, logSegmentBytes: SEGMENT });
    const status = await again.engine.call("check_integrity", { waitMs: 60_000, follow: false });
    expect(status.differences).toEqual([]);
    await again.engine.close();
  } catch (error) {
    throw new Error(`call ${n} failed, ${place()}: ${String(error)}`, { cause: error });
  }
  return { failed, count };
}

const ALL = process.env["NTH_IO"] === "all";

describe("the n-th call of the disk fails", () => {
  const seed = testSeed("nth io");

  test.each([
    ["with EIO", { kind: "fail", writtenBytes: 700 }, () => true],
    [
      "with ENOSPC, for writes",
      { kind: "fail", full: true, writtenBytes: 700 },
      ({ kind }: DiskOperation) => kind === "write" || kind === "make-directory",
    ],
  ] as const)(
    "%s: a typed error or a stop, never a wrong answer, and the next start finds everything acknowledged",
    async (_, fault, isOfKind) => {
      const { count } = await liveAndRecover(-1, fault, isOfKind, seed);
      expect(count).toBeGreaterThan(100);
      const stride = ALL ? 1 : count / SHARE;
      const offset = ALL ? 0 : new SeededRandom(seed).int(Math.ceil(stride));
      let reached = 0;
      for (let at = offset; at < count; at += stride) {
        const { failed } = await liveAndRecover(Math.floor(at), fault, isOfKind, seed);
        if (failed !== undefined) reached++;
      }
      expect(reached).toBeGreaterThan(ALL ? count * 0.9 : SHARE / 2);
      if (ALL) process.stderr.write(`${count} calls, ${reached} failed\n`);
    },
    ALL ? 3_600_000 : 60_000,
  );
});
