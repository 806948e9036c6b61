/**
 * What a crash may and may not do, checked against a model that knows, for every byte and every name, which
 * values are possible: the synced one, and each one given since.
 */
import {
  type CrashOptions,
  type DiskFile,
  directoryOf,
  MemoryDisk,
  readFile,
  SeededRandom,
} from "@authledger/io";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";

const PATHS = ["/a/1", "/a/2", "/a/3", "/b/1", "/b/2"];

/** One file, wherever its name is. */
class FileModel {
  current: Uint8Array = new Uint8Array();
  synced: Uint8Array = new Uint8Array();
  /** Values that a byte has been given since the last sync, by position. */
  touched = new Map<number, Set<number>>();
  sizeMin = 0;
  sizeMax = 0;

  write(data: Uint8Array, position: number): void {
    if (data.length === 0) return;
    const end = position + data.length;
    if (end > this.current.length) this.resize(end);
    this.current.set(data, position);
    data.forEach((byte, i) => {
      this.#touch(position + i, byte);
    });
  }

  /** Cutting and growing leave zeros or the old bytes where the size changes. */
  resize(length: number): void {
    const from = Math.min(length, this.current.length);
    const next = new Uint8Array(length);
    next.set(this.current.subarray(0, from));
    const end = Math.max(length, this.current.length, this.sizeMax, this.synced.length);
    for (let i = from; i < end; i++) this.#touch(i, 0);
    this.current = next;
    this.sizeMin = Math.min(this.sizeMin, length);
    this.sizeMax = Math.max(this.sizeMax, length);
  }

  sync(): void {
    this.synced = this.current.slice();
    this.touched.clear();
    this.sizeMin = this.synced.length;
    this.sizeMax = this.synced.length;
  }

  /** Why `found` cannot be what a crash left of this file; undefined when it can. */
  problem(found: Uint8Array): string | undefined {
    if (found.length < this.sizeMin || found.length > this.sizeMax) {
      return `size ${found.length} is not in [${this.sizeMin}, ${this.sizeMax}]`;
    }
    for (let i = 0; i < found.length; i++) {
      const byte = found[i]!;
      const synced = this.synced[i] ?? 0;
      if (byte !== synced && !this.touched.get(i)?.has(byte)) {
        return `byte ${i} is ${byte}, synced was ${synced}`;
      }
    }
    return undefined;
  }

  #touch(i: number, byte: number): void {
    const values = this.touched.get(i) ?? new Set<number>();
    this.touched.set(i, values.add(byte));
  }
}

type Name = FileModel | undefined;

/** A disk with the operations of the port, and the model beside it. */
class ModelledDisk {
  disk: MemoryDisk = new MemoryDisk();
  readonly names = new Map<string, Name>();
  readonly syncedNames = new Map<string, Name>();
  /** What a name has meant since its directory was synced. */
  readonly givenNames = new Map<string, Set<Name>>();
  readonly #open = new Map<FileModel, DiskFile>();

  async step(random: SeededRandom): Promise<void> {
    const path = random.pick(PATHS);
    const file = this.names.get(path);
    const choice = random.int(10);
    if (choice === 0) return this.#syncDirectory(random.pick(["/a", "/b"]));
    if (file === undefined) return this.#create(path);
    if (choice === 1) return this.#remove(path);
    if (choice === 2) return this.#rename(path, random.pick(PATHS));
    const handle = this.#open.get(file)!;
    if (choice <= 4) {
      await handle.datasync();
      file.sync();
    } else if (choice === 5) {
      const length = random.int(3_000);
      await handle.truncate(length);
      file.resize(length);
    } else {
      const parts = [random.bytes(random.int(1_500)), random.bytes(random.int(30))];
      const position = random.int(2_500);
      await handle.write(parts, position);
      file.write(parts[0]!, position);
      file.write(parts[1]!, position + parts[0]!.length);
    }
  }

  /** Goes on with a fork, which must behave as the disk would have. */
  async moveToFork(): Promise<void> {
    this.disk = this.disk.fork();
    for (const [path, file] of this.names) {
      if (file !== undefined) this.#open.set(file, await this.disk.open(path));
    }
  }

  /** What is there when everything unsynced is lost. */
  synced(): Record<string, string> {
    const files = PATHS.map((path) => [path, this.syncedNames.get(path)] as const);
    return Object.fromEntries(
      files.flatMap(([path, file]) => (file === undefined ? [] : [[path, hex(file.synced)]])),
    );
  }

  async checkCrash(after: MemoryDisk): Promise<void> {
    for (const path of PATHS) {
      const possible = [this.syncedNames.get(path), ...(this.givenNames.get(path) ?? [])];
      if (!(await after.exists(path))) {
        expect(possible, `${path} is gone`).toContain(undefined);
        continue;
      }
      const found = await readFile(after, path);
      const problems = possible.map((file) =>
        file === undefined ? "there was no such file" : file.problem(found),
      );
      expect(problems, path).toContain(undefined);
    }
  }

  async #create(path: string): Promise<void> {
    const file = new FileModel();
    this.#open.set(file, await this.disk.open(path, { create: true, exclusive: true }));
    this.#name(path, file);
  }

  async #remove(path: string): Promise<void> {
    await this.disk.remove(path);
    this.#name(path, undefined);
  }

  async #rename(from: string, to: string): Promise<void> {
    if (from === to) return;
    await this.disk.rename(from, to);
    this.#name(to, this.names.get(from));
    this.#name(from, undefined);
  }

  async #syncDirectory(directory: string): Promise<void> {
    await this.disk.syncDirectory(directory);
    for (const path of PATHS.filter((p) => directoryOf(p) === directory)) {
      this.syncedNames.set(path, this.names.get(path));
      this.givenNames.delete(path);
    }
  }

  #name(path: string, file: Name): void {
    this.names.set(path, file);
    this.givenNames.set(path, (this.givenNames.get(path) ?? new Set()).add(file));
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

async function dump(disk: MemoryDisk): Promise<Record<string, string>> {
  const out: Record<string, string> = {};
  for (const path of PATHS) {
    if (await disk.exists(path)) out[path] = hex(await readFile(disk, path));
  }
  return out;
}

/** What a process sees, and what it would see after each kind of crash. */
async function everything(disk: MemoryDisk): Promise<Record<string, string>[]> {
  const crashes = (["lost", "kept", "random"] as const).map((unsynced) =>
    disk.crash(new SeededRandom(5), { unsynced }),
  );
  return Promise.all([disk, ...crashes].map(dump));
}

async function modelled(random: SeededRandom, steps: number): Promise<ModelledDisk> {
  const model = new ModelledDisk();
  for (let i = 0; i < steps; i++) await model.step(random);
  return model;
}

describe("INV-DISK-1: what a successful sync covered is on every disk that crash returns", () => {
  const modes: readonly CrashOptions[] = [
    {},
    { pieceBytes: 4096 },
    { unsynced: "lost" },
    { unsynced: "kept" },
  ];

  it("and each byte and name is the synced one or one given since", async () => {
    const random = testRandom("crash");
    for (let round = 0; round < testRounds(40); round++) {
      const model = new ModelledDisk();
      for (let i = 0; i < 60; i++) {
        await model.step(random);
        if (random.chance(0.1)) await model.moveToFork();
        await model.checkCrash(model.disk.crash(random, random.pick(modes)));
      }
    }
  });

  it("and losing everything unsynced leaves exactly what was synced", async () => {
    const random = testRandom("crash lost");
    for (let round = 0; round < testRounds(60); round++) {
      const model = await modelled(random, random.between(5, 60));
      expect(await dump(model.disk.crash(random, { unsynced: "lost" }))).toEqual(model.synced());
    }
  });

  it("and keeping everything unsynced leaves exactly what a process saw", async () => {
    const random = testRandom("crash kept");
    for (let round = 0; round < testRounds(60); round++) {
      const { disk } = await modelled(random, random.between(5, 60));
      expect(await dump(disk.crash(random, { unsynced: "kept" }))).toEqual(await dump(disk));
    }
  });

  it("and the disk found after a crash loses nothing more in the next one", async () => {
    const random = testRandom("crash twice");
    for (let round = 0; round < testRounds(60); round++) {
      const { disk } = await modelled(random, random.between(5, 60));
      const once = disk.crash(random);
      expect(await dump(once.crash(random, { unsynced: "lost" }))).toEqual(await dump(once));
    }
  });

  it("and the same seed finds the same disk", async () => {
    const random = testRandom("crash seed");
    const { disk } = await modelled(random, 60);
    const again = () => disk.crash(new SeededRandom(7));
    expect(await dump(again())).toEqual(await dump(again()));
  });
});

describe("INV-DISK-2: fork and crash share nothing that changes", () => {
  it("neither the copy nor the crash changes the disk, nor the disk them, now or in a later crash", async () => {
    const random = testRandom("fork");
    for (let round = 0; round < testRounds(40); round++) {
      const model = await modelled(random, random.between(5, 40));
      const before = await everything(model.disk);
      const fork = model.disk.fork();
      const crashed = model.disk.crash(random);
      const crashedBefore = await everything(crashed);
      expect(await everything(model.disk)).toEqual(before);
      expect(await everything(fork)).toEqual(before);

      for (let i = 0; i < 30; i++) await model.step(random);
      expect(await everything(fork)).toEqual(before);
      expect(await everything(crashed)).toEqual(crashedBefore);

      const after = await everything(model.disk);
      await scribble(fork, random);
      await scribble(crashed, random);
      expect(await everything(model.disk)).toEqual(after);
    }
  });

  it("a fork crashes as the disk would have, unsynced changes included", async () => {
    const random = testRandom("fork crash");
    const { disk } = await modelled(random, 50);
    const fork = disk.fork();
    const seeded = () => new SeededRandom(11);
    expect(await dump(fork.crash(seeded()))).toEqual(await dump(disk.crash(seeded())));
  });
});

describe("a crash in the middle of one write", () => {
  const SECTORS = 6;

  it("keeps, loses and tears sectors, each by itself; a torn one has its new bytes in front", async () => {
    const random = testRandom("pieces");
    const seen = { kept: 0, lost: 0, torn: 0, mixed: 0 };
    for (let i = 0; i < 300; i++) {
      const disk = new MemoryDisk();
      const file = await disk.open("/x", { create: true });
      await disk.syncDirectory("/");
      await file.write([new Uint8Array(SECTORS * 512).fill(1)], 0);
      await file.datasync();
      await file.write([new Uint8Array(SECTORS * 512).fill(2)], 0);
      const found = await readFile(disk.crash(random), "/x");
      const sectors = Array.from({ length: SECTORS }, (_, s) =>
        found.subarray(s * 512, s * 512 + 512),
      );
      const fates = sectors.map(fateOf);
      for (const fate of fates) seen[fate]++;
      if (fates.includes("kept") && fates.includes("lost")) seen.mixed++;
    }
    expect(Object.values(seen).every((count) => count > 20)).toBe(true);
  });

  it("sometimes leaves the size of a growing file without its bytes", async () => {
    const random = testRandom("growth");
    const sizes = new Set<number>();
    let holes = 0;
    for (let i = 0; i < 300; i++) {
      const disk = new MemoryDisk();
      const file = await disk.open("/x", { create: true });
      await disk.syncDirectory("/");
      await file.write([new Uint8Array(1_024).fill(2)], 0);
      const found = await readFile(disk.crash(random), "/x");
      sizes.add(found.length);
      if (found.length === 1_024 && found[1_023] === 0) holes++;
    }
    expect(sizes).toContain(0);
    expect(sizes).toContain(1_024);
    expect(holes).toBeGreaterThan(0);
  });
});

/** Old bytes are 1 and new ones 2; a torn sector has new ones in front. */
function fateOf(sector: Uint8Array): "kept" | "lost" | "torn" {
  const boundary = sector.indexOf(1);
  if (boundary < 0) return "kept";
  expect(sector.subarray(0, boundary).every((byte) => byte === 2)).toBe(true);
  expect(sector.subarray(boundary).every((byte) => byte === 1)).toBe(true);
  return boundary === 0 ? "lost" : "torn";
}

/** Changes everything there is. */
async function scribble(disk: MemoryDisk, random: SeededRandom): Promise<void> {
  for (const path of PATHS) {
    const file = await disk.open(path, { create: true });
    await file.write([random.bytes(3_000)], 0);
    await file.datasync();
    if (random.chance(0.3)) await disk.remove(path);
  }
}
