/**
 * What the world knows of a node that loses power again and again: transactions with what was answered, signed
 * heads, the trust of a client. A life is forked with its disk at a write or sync; whatever happens on the old
 * disk afterwards has never been.
 */
import { type DiskOperation, FaultyDisk, type MemoryDisk, type SeededRandom } from "@authledger/io";
import { entityKey, type TrustState, verifyCheckpoint } from "@authledger/proof";
import { equalBytes } from "@authledger/types";
import { expect } from "vitest";
import {
  applied,
  clientDeps,
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

/** One transaction: three tuples, one entity, and a key that makes it the same when it is sent again. */
interface Unit {
  readonly id: number;
  /** Without an answer it may be there or not. */
  state: "unanswered" | "there";
}

interface Head {
  readonly life: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly timeS: number;
}

export class World {
  vault: number | undefined;
  trust: TrustState | undefined;
  units: Unit[] = [];
  heads: Head[] = [];
  newestMs = 0;
  life = 0;

  clone(): World {
    const copy = Object.assign(new World(), this);
    copy.units = this.units.map((unit) => ({ ...unit }));
    copy.heads = [...this.heads];
    return copy;
  }
}

export interface Snapshot {
  readonly disk: MemoryDisk;
  readonly world: World;
  readonly at: string;
}

const PARTS = ["user:a", "user:b", "user:c"];
const MAX_SKEW_MS = 2_000;

/** One life on a disk, from opening to whatever end. */
export class Life {
  readonly world: World;
  readonly snapshots: Snapshot[] = [];
  readonly #random: SeededRandom;
  #node!: TestNode;

  constructor(world: World, random: SeededRandom) {
    this.world = world;
    this.world.life++;
    this.#random = random;
  }

  /** Opens, checks what the world knows, and takes snapshots of everything from now on. */
  async open(disk: MemoryDisk): Promise<void> {
    const random = this.#random;
    const look = ({ kind, path, number }: DiskOperation): undefined => {
      if (kind === "read" || kind === "open" || !random.chance(0.06)) return;
      const at = `${kind} ${path} ${number}`;
      this.snapshots.push({ disk: disk.fork(), world: this.world.clone(), at });
    };
    const time = new TestTime();
    // The clock of the machine may have gone back a little meanwhile.
    time.wallMs = Math.max(time.wallMs, this.world.newestMs - random.int(MAX_SKEW_MS));
    this.#node = await openNode(new FaultyDisk(disk, look), {
      seed: random.u32(),
      logSegmentBytes: random.pick([32, 64]) * 1024,
      cacheBytes: 1 << 20,
      time,
    });
    const { vault } = this.world;
    if (vault !== undefined) return this.#recovered(vault);
    this.world.vault = await newVault(this.#node.engine);
  }

  /** Writes, heads, reads and time in random order and partly at once. */
  async live(steps: number): Promise<void> {
    const random = this.#random;
    const running: Promise<void>[] = [];
    const run = (doing: Promise<void>): void => {
      running.push(doing);
      // Waited for later; until then nobody else has to hear of it.
      doing.catch(() => undefined);
    };
    for (let i = 0; i < steps; i++) {
      const step = random.int(10);
      if (step < 6) run(this.#write(this.#newUnit()));
      else if (step === 6) run(this.#head());
      else if (step === 7) run(this.#read());
      else await this.#advance(random.pick([1, 700, 1_500, 30_000]));
      if (random.chance(0.5)) await settle(random.int(4));
      if (random.chance(0.2)) await Promise.all(running.splice(0));
    }
    await Promise.all(running);
    expect(this.#node.fatal).toEqual([]);
  }

  close(): Promise<void> {
    return this.#node.engine.close();
  }

  /** Everything acknowledged is there, nothing is half there, and a repeated request is done once. */
  async #recovered(vault: number): Promise<void> {
    const { units } = this.world;
    const reader = await this.#reader(vault);
    const tuples = units.flatMap(tuplesOf);
    const found = await reader.check(this.#node, tuples);
    this.world.trust = reader.trust;
    for (const [i, unit] of units.entries()) {
      const parts = found.slice(i * PARTS.length, (i + 1) * PARTS.length);
      expect(new Set(parts).size, `unit ${unit.id} is whole`).toBe(1);
      if (unit.state === "there") expect(parts[0], `unit ${unit.id} is there`).toBe(true);
    }
    await this.#expectNewest(reader, found);
    await this.#head();
    for (const [i, unit] of units.entries()) {
      if (unit.state === "there") continue;
      const { replayed } = await this.#send(unit);
      expect(replayed, `unit ${unit.id} is done once`).toBe(found[i * PARTS.length]);
      unit.state = "there";
    }
  }

  /** The entity that every unit writes has the value of a unit that is there. */
  async #expectNewest(reader: LightReader, found: readonly boolean[]): Promise<void> {
    const { vault, prove } = reader;
    const request = { vault, consistency: LINEARIZABLE, keys: ["newest"], prove };
    const { entities, proof } = await this.#node.engine.call("read_entities", request);
    const query = { kind: "get", key: entityKey("newest") } as const;
    const [answer] = reader.ask(proof!, [query], this.#node.time.wallMs);
    this.world.trust = reader.trust;
    expect(answer!.kind).toBe(found.includes(true) ? "present" : "absent");
    const [entity] = entities;
    if (entity === undefined) return;
    const id = Number(new TextDecoder().decode(entity.value));
    const index = this.world.units.findIndex((unit) => unit.id === id);
    expect(found[index * PARTS.length]).toBe(true);
  }

  #newUnit(): Unit {
    const unit: Unit = { id: this.world.units.length, state: "unanswered" };
    this.world.units.push(unit);
    return unit;
  }

  async #write(unit: Unit): Promise<void> {
    const { replayed } = await this.#send(unit);
    expect(replayed).toBe(false);
    unit.state = "there";
  }

  async #send({ id }: Unit): Promise<ReturnType<typeof applied>> {
    const { engine } = this.#node;
    const tuples = PARTS.map((subject) => createTuple(`doc:${id}`, subject));
    const operations = [...tuples, setEntity("newest", String(id))];
    const about = { clientId: "world", idempotencyKey: `unit ${id}` };
    return applied(await writeOne(engine, this.world.vault!, operations, about));
  }

  /** A proven read by the client of all lives. */
  async #read(): Promise<void> {
    const reader = await this.#reader(this.world.vault!);
    await reader.check(this.#node, [tupleOf("doc:0", PARTS[0]!), tupleOf("doc:none")]);
    const { size } = reader.trust.head;
    if (size >= (this.world.trust?.head.size ?? 0n)) this.world.trust = reader.trust;
  }

  async #head(): Promise<void> {
    const reader = await this.#reader(this.world.vault!);
    const request = { vault: reader.vault, consistency: LINEARIZABLE, trustedSize: 0 };
    const { checkpoint } = await this.#node.engine.call("get_checkpoint", request);
    const { origin, policy } = reader.trust;
    const { size, root, times } = verifyCheckpoint(checkpoint, origin, policy, clientDeps);
    const { life } = this.world;
    this.#note({ life, size: Number(size), root, timeS: Number(times[0]) });
  }

  /** INV-SIGN-2 as clients see it: one root for each size, and no time goes back with a larger size or a later life. */
  #note(head: Head): void {
    for (const other of this.world.heads) {
      if (other.size === head.size) expect(equalBytes(other.root, head.root)).toBe(true);
      const isEarlier = other.size < head.size || other.life < head.life;
      if (isEarlier) expect(other.timeS).toBeLessThanOrEqual(head.timeS);
    }
    this.world.heads.push(head);
  }

  async #reader(vault: number): Promise<LightReader> {
    const reader = await LightReader.of(this.#node.engine, vault);
    if (this.world.trust !== undefined) reader.trust = this.world.trust;
    return reader;
  }

  /** Between two turns: within one, a head that is asked for twice is signed with the time of the first. */
  async #advance(ms: number): Promise<void> {
    await settle(2);
    const { time } = this.#node;
    time.advance(ms);
    this.world.newestMs = Math.max(this.world.newestMs, time.wallMs);
  }
}

function tuplesOf({ id }: Unit): ReturnType<typeof tupleOf>[] {
  return PARTS.map((subject) => tupleOf(`doc:${id}`, subject));
}
