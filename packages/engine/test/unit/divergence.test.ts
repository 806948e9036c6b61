/** Replicas that have applied the same log to different states: who is wrong, where, and what the wrong one does. */
import { readFileSync } from "node:fs";
import { NodeHasher, SeededRandom } from "@authledger/io";
import { GroupState } from "@authledger/state";
import { LedgerError, type NodeId, nodeId, toHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import { Ledger, newDisk, openStore } from "../../../state/test/state-support.js";
import {
  type DigestFrame,
  decodeDigestFrame,
  encodeDigestFrame,
} from "../../src/cluster/digest-frames.js";
import { DigestWatch } from "../../src/cluster/digest-watch.js";
import { Divergence } from "../../src/cluster/divergence.js";
import { settle, TestTime } from "../engine-support.js";

const hasher = new NodeHasher();
const [A, B, C, D] = [1n, 2n, 3n, 4n].map((id) => nodeId(id)) as [NodeId, NodeId, NodeId, NodeId];
const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n);

describe("digests of replicas", () => {
  const watch = (voters: NodeId[], self = A): DigestWatch => {
    return new DigestWatch(self, 4, () => voters);
  };

  test("that are equal find nothing, also where they come before the entry is applied here", () => {
    const one = watch([A, B, C]);
    expect(one.told(B, [{ index: 7, digest: digest(1) }])).toEqual([]);
    expect(one.applied(7, digest(1))).toBeUndefined();
    expect(one.told(C, [{ index: 7, digest: digest(1) }])).toEqual([]);
  });

  test("name the one that the majority differs from, whoever it is, the leader too (INV-REPLICA-10)", () => {
    const one = watch([A, B, C]);
    one.applied(7, digest(1));
    expect(one.told(B, [{ index: 7, digest: digest(2) }])).toEqual([]);
    expect(one.told(C, [{ index: 7, digest: digest(2) }])).toEqual([
      { index: 7, wrong: [A], others: [B, C] },
    ]);
    const other = watch([A, B, C]);
    other.applied(7, digest(1));
    other.told(B, [{ index: 7, digest: digest(1) }]);
    expect(other.told(C, [{ index: 7, digest: digest(3) }])).toEqual([
      { index: 7, wrong: [C], others: [A, B] },
    ]);
    // Told again it is no news.
    expect(other.told(C, [{ index: 7, digest: digest(3) }])).toEqual([]);
  });

  test("of different entries are never compared (INV-REPLICA-10)", () => {
    const one = watch([A, B, C]);
    one.applied(7, digest(1));
    expect(one.told(B, [{ index: 6, digest: digest(2) }])).toEqual([]);
    expect(one.told(C, [{ index: 8, digest: digest(2) }])).toEqual([]);
  });

  test("of learners do not count, and a learner is judged by the voters (INV-REPLICA-10)", () => {
    const one = watch([A, B, C]);
    one.applied(7, digest(1));
    expect(one.told(D, [{ index: 7, digest: digest(2) }])).toEqual([]);
    expect(one.told(B, [{ index: 7, digest: digest(1) }])).toEqual([
      { index: 7, wrong: [D], others: [A, B] },
    ]);
    const learner = watch([A, B], D);
    learner.applied(7, digest(2));
    learner.told(A, [{ index: 7, digest: digest(1) }]);
    expect(learner.told(B, [{ index: 7, digest: digest(1) }])).toEqual([
      { index: 7, wrong: [D], others: [A, B] },
    ]);
  });

  test("without a majority call nobody wrong (INV-REPLICA-10)", () => {
    const one = watch([A, B]);
    one.applied(7, digest(1));
    expect(one.told(B, [{ index: 7, digest: digest(2) }])).toEqual([
      { index: 7, wrong: [], others: [A, B] },
    ]);
  });

  test("of busy replicas meet at common entries", () => {
    const [one, other] = [watch([A, B]), watch([A, B], B)];
    for (let index = 1; index <= 50; index++) one.applied(index, digest(index));
    for (let index = 1; index <= 43; index++)
      other.applied(index, digest(index === 43 ? 99 : index));
    expect(one.report().map(({ index }) => index)).toEqual([
      4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 50,
    ]);
    expect(other.told(A, one.report())).toEqual([]);
    const wrong = watch([A, B], B);
    for (let index = 1; index <= 43; index++) wrong.applied(index, digest(200 - index));
    expect(wrong.told(A, one.report()).length).toBeGreaterThan(5);
  });
});

/** Three replicas of one log, each with what it told and what it was asked. */
class Replicas {
  readonly time = new TestTime();
  readonly ledger: Ledger;
  readonly states: GroupState[];
  readonly divergences: Divergence[];
  readonly alarms: string[][] = [[], [], []];
  readonly marks: (number | undefined)[] = [undefined, undefined, undefined];
  readonly asked: NodeId[][] = [[], [], []];
  /** How many were asked for a state before it was told that the replica is wrong. */
  readonly parted: number[][] = [[], [], []];
  readonly stepped: NodeId[][] = [[], [], []];
  readonly fatal: LedgerError[][] = [[], [], []];
  voters: readonly NodeId[] = [A, B, C];
  /** Nobody hears of it. */
  silent: NodeId | undefined;
  #queue: (() => void)[] = [];

  private constructor(ledger: Ledger, states: GroupState[]) {
    this.ledger = ledger;
    this.states = states;
    this.divergences = states.map((state, i) => this.#divergenceOf(i, state));
  }

  /** The state that the log makes. */
  async rebuilt(random: SeededRandom): Promise<GroupState> {
    const state = new GroupState(await openStore(await newDisk(), random), hasher);
    for (const [i, entry] of this.ledger.log.entries()) state.apply(i + 1, 1, entry);
    return state;
  }

  /** Another process of a replica. */
  restart(i: number, state: GroupState, doubtedFrom: number | undefined): Divergence {
    this.divergences[i]!.stop();
    const divergence = this.#divergenceOf(i, state);
    this.divergences[i] = divergence;
    this.states[i] = state;
    divergence.start(doubtedFrom);
    return divergence;
  }

  #divergenceOf(i: number, state: GroupState): Divergence {
    const nodes = [A, B, C];
    return new Divergence(
      { every: 4 },
      {
        self: nodes[i]!,
        timers: this.time,
        random: new SeededRandom(i),
        hasher,
        state,
        voters: () => this.voters,
        others: () => nodes.filter((node) => node !== nodes[i]),
        send: (to, payload) => {
          if (this.silent === to || this.silent === nodes[i]) return false;
          this.#queue.push(() => this.divergences[nodes.indexOf(to)]!.onFrame(nodes[i]!, payload));
          return true;
        },
        onParted: () => void this.parted[i]!.push(this.asked[i]!.length),
        stepDown: (to) => void this.stepped[i]!.push(to),
        askForState: (of) => void this.asked[i]!.push(of),
        mark: {
          note: (index) => {
            this.marks[i] = index;
          },
          clear: () => {
            this.marks[i] = undefined;
          },
        },
        onAlarm: (alarm) => void this.alarms[i]!.push(alarm),
        onFatal: (error) => void this.fatal[i]!.push(error),
      },
    );
  }

  static async create(random: SeededRandom): Promise<Replicas> {
    const ledger = await Ledger.create(random, 3);
    const others = await Promise.all(
      [0, 1].map(async () => new GroupState(await openStore(await newDisk(), random), hasher)),
    );
    for (const [i, entry] of ledger.log.entries()) {
      for (const state of others) state.apply(i + 1, 1, entry);
    }
    const replicas = new Replicas(ledger, [ledger.state, ...others]);
    for (const divergence of replicas.divergences) divergence.start();
    return replicas;
  }

  /** All apply an entry that creates a tuple; replica `wrong` another one. */
  write(
    vault: number,
    resource: string,
    wrong?: { readonly replica: number; readonly resource: string },
  ): void {
    const { leader, log } = this.ledger;
    leader.timeMs += 10;
    const entryOf = (name: string): Uint8Array => {
      const tuple = { resource: name, relation: "viewer", subject: "user:u" };
      return leader.entry([
        leader.transaction(vault, [{ op: "create_tuple", tuple, expiresAtMs: 0 }]),
      ]);
    };
    const entry = entryOf(resource);
    log.push(entry);
    this.states.forEach((state, i) => {
      state.apply(log.length, 1, wrong?.replica === i ? entryOf(wrong.resource) : entry);
      this.divergences[i]!.applied();
    });
  }

  async pass(ms: number): Promise<void> {
    for (let at = 0; at < ms; at += 500) {
      this.time.advance(500);
      for (let turn = 0; turn < 10; turn++) {
        for (const deliver of this.#queue.splice(0)) deliver();
        await settle(2);
      }
    }
  }

  pathsOf(vault: number, resource: string): string[] {
    const { paths } = this.states[0]!.vault(vault)!;
    const [a, b] = ["resource", "subject"].map((direction) =>
      toHex(paths.path(tupleKeyOf(direction as "resource" | "subject", resource))),
    );
    return [a!, b!];
  }
}

function tupleKeyOf(
  direction: "resource" | "subject",
  resource: string,
): Parameters<NonNullable<ReturnType<GroupState["vault"]>>["paths"]["path"]>[0] {
  const [kind, partition, item] =
    direction === "resource" ? [1, resource, "user:u"] : [2, "user:u", resource];
  return { kind, partition, group: "viewer", item } as never;
}

describe("a replica whose state is not that of the majority", () => {
  test.each([0, 1, 2])(
    "fences itself, names vault, bucket and path, and asks the others for their state, be it replica %i (INV-REPLICA-11, L-115)",
    async (wrong) => {
      const random = testRandom(`divergence ${wrong}`);
      const replicas = await Replicas.create(random);
      for (let i = 0; i < 8; i++) replicas.write(1 + (i % 3), `doc:d${i}`);
      await replicas.pass(3_000);
      expect(replicas.alarms.flat()).toEqual([]);
      replicas.write(2, "doc:right", { replica: wrong, resource: "doc:wrong" });
      for (let i = 0; i < 5; i++) replicas.write(1, `doc:e${i}`);
      await replicas.pass(2_000);
      const divergence = replicas.divergences[wrong]!;
      expect(divergence.isParted).toBe(true);
      expect(divergence.problem).toMatchObject({
        code: "REPLICA_DIVERGED",
        message: expect.stringMatching(/not that of the majority: leaf of organization 7 vault 2/),
      });
      const [alarm] = replicas.alarms[wrong]!;
      const found = /organization 7 vault 2, bucket (\d+), path ([0-9a-f]{96}), height 4:/.exec(
        alarm!,
      );
      const paths = ["doc:right", "doc:wrong"].flatMap((name) => replicas.pathsOf(2, name)).sort();
      expect(found?.[2]).toBe(paths[0]);
      expect(Number(found?.[1])).toBe(Number.parseInt(paths[0]!.slice(0, 2), 16));
      expect(replicas.asked[wrong]!.length).toBeGreaterThan(0);
      const others = [0, 1, 2].filter((i) => i !== wrong);
      expect(replicas.stepped[wrong]!.length).toBeGreaterThan(0);
      expect(replicas.parted[wrong]).toEqual([0]);
      for (const i of others) {
        expect([replicas.stepped[i], replicas.parted[i]]).toEqual([[], []]);
        expect(replicas.divergences[i]!.isParted).toBe(false);
        expect(replicas.alarms[i]).toEqual([
          expect.stringMatching(new RegExp(`node ${wrong + 1} has another state at entry \\d+`)),
        ]);
      }
      // It asks one after the other until it has been given a state, and to lead where it leads: a transfer may fail.
      await replicas.pass(16_000);
      expect(new Set(replicas.stepped[wrong])).toEqual(new Set(replicas.asked[wrong]));
      expect(new Set(replicas.asked[wrong])).toEqual(
        new Set(others.map((i) => nodeId(BigInt(i + 1)))),
      );
      const { log } = replicas.ledger;
      const state = replicas.states[wrong]!;
      const { applied } = state;
      const older = new GroupState(await openStore(await newDisk(), random), hasher);
      for (let i = 0; i < log.length - 2; i++) older.apply(i + 1, 1, log[i]!);
      Object.defineProperty(state, "applied", { get: () => older.applied, configurable: true });
      divergence.replaced();
      // It does not go back in time for anybody.
      expect(divergence.problem?.message).toMatch(/applies entries up to \d+ again/);
      for (let i = log.length - 2; i < log.length; i++) older.apply(i + 1, 1, log[i]!);
      divergence.applied();
      expect(state.applied.index).toBe(applied.index);
      expect(divergence.problem).toBeUndefined();
    },
  );

  /*
   * The story: one fault had touched two vaults. The search named the first of them, and the other one, whose newest block the same frames
   * showed to be wrong, was served and cosigned again until the state was replaced.
   */
  test("is fenced for every vault until its state was replaced, whichever one was found to be wrong (INV-REPLICA-11)", async () => {
    const replicas = await Replicas.create(testRandom("divergence of two vaults"));
    replicas.write(2, "doc:right", { replica: 1, resource: "doc:wrong" });
    replicas.write(3, "doc:right", { replica: 1, resource: "doc:wrong" });
    await replicas.pass(4_000);
    const divergence = replicas.divergences[1]!;
    expect(replicas.alarms[1]![0]).toContain("organization 7 vault 2");
    expect([divergence.isFenced, divergence.problem?.code]).toEqual([true, "REPLICA_DIVERGED"]);
    await replicas.pass(20_000);
    expect(divergence.isFenced).toBe(true);
    divergence.replaced();
    expect([divergence.isFenced, divergence.problem]).toEqual([false, undefined]);
  });

  test("that its process ended with stays fenced in the next one until a majority tells its digest (INV-REPLICA-12)", async () => {
    const random = testRandom("divergence remembered");
    const replicas = await Replicas.create(random);
    for (let i = 0; i < 6; i++) replicas.write(1 + (i % 3), `doc:d${i}`);
    replicas.write(2, "doc:right", { replica: 1, resource: "doc:wrong" });
    await replicas.pass(2_000);
    const from = replicas.marks[1]!;
    expect(from).toBe(replicas.ledger.log.length);
    expect(replicas.marks).toEqual([undefined, from, undefined]);
    // Another process over a state that the log has made right meanwhile, and nobody tells it so yet.
    const right = await replicas.rebuilt(random);
    const again = replicas.restart(1, right, from);
    expect(again.isFenced).toBe(true);
    expect(again.problem?.message).toMatch(/was not compared since/);
    expect(again.isDoubtful).toBe(true);
    await replicas.pass(2_000);
    expect([again.isDoubtful, again.isFenced]).toEqual([false, false]);
    expect(replicas.marks[1]).toBeUndefined();
    expect(replicas.alarms[1]!.at(-1)).toContain("is that of the majority");
    // What is said of entries before the one where it went wrong proves nothing.
    const later = replicas.restart(1, right, from + 1);
    await replicas.pass(2_000);
    expect(later.isFenced).toBe(true);
    replicas.write(3, "doc:next");
    await replicas.pass(2_000);
    expect(later.isFenced).toBe(false);
  });

  test("that is wrong still after a restart is rebuilt, and forgets the mark with its state (INV-REPLICA-12)", async () => {
    const random = testRandom("divergence again");
    const replicas = await Replicas.create(random);
    replicas.write(2, "doc:right", { replica: 1, resource: "doc:wrong" });
    await replicas.pass(2_000);
    const again = replicas.restart(1, replicas.states[1]!, replicas.marks[1]);
    expect(again.isFenced).toBe(true);
    await replicas.pass(2_000);
    expect([again.isParted, again.isFenced]).toEqual([true, true]);
    again.replaced();
    expect([again.isDoubtful, replicas.marks[1]]).toEqual([false, undefined]);
  });

  /*
   * The story: everything lost its power while one was being rebuilt, and one of the right ones did not come back. The wrong one was elected: it
   * proposed nothing, and led, since without the third there was no verdict that it could have stepped down for.
   */
  test("gives the leadership to each of the others in turn while it is in doubt, whoever is away (INV-REPLICA-12)", async () => {
    const random = testRandom("divergence leads");
    const replicas = await Replicas.create(random);
    replicas.write(2, "doc:right", { replica: 0, resource: "doc:wrong" });
    await replicas.pass(2_000);
    replicas.silent = C;
    const again = replicas.restart(0, replicas.states[0]!, replicas.marks[0]);
    const before = replicas.stepped[0]!.length;
    await replicas.pass(3_500);
    expect([again.isParted, again.isDoubtful]).toEqual([false, true]);
    const stepped = replicas.stepped[0]!.slice(before);
    expect([stepped.length, new Set(stepped)]).toEqual([3, new Set([B, C])]);
    expect([replicas.stepped[1], replicas.stepped[2]]).toEqual([[], []]);
  });

  /*
   * The story: one of the right ones was removed while another one was wrong, and that was started again: the two that were left differed, no majority
   * said who is right, and it stayed fenced for good though a majority had said before that it is wrong.
   */
  test("is rebuilt by the word of before where it differs from the only other voter (INV-REPLICA-12)", async () => {
    const replicas = await Replicas.create(testRandom("divergence of two"));
    replicas.write(2, "doc:right", { replica: 0, resource: "doc:wrong" });
    await replicas.pass(2_000);
    replicas.voters = [A, B];
    replicas.silent = C;
    const again = replicas.restart(0, replicas.states[0]!, replicas.marks[0]);
    const before = replicas.asked[0]!.length;
    await replicas.pass(6_000);
    expect([again.isParted, replicas.divergences[1]!.isDoubtful]).toEqual([true, false]);
    expect(new Set(replicas.asked[0]!.slice(before))).toEqual(new Set([B]));
    expect(replicas.alarms[0]!.join()).toMatch(
      /wrong at entry \d+ by nodes 2, and was wrong before/,
    );
  });

  /*
   * The story: the others were removed while it was wrong. It was started again and had applied everything before anybody listened: it
   * could propose nothing, so no entry came by which it would have trusted its own word, and it was fenced for good.
   */
  test("as the only voter serves again what there is, by its own word, and says so (INV-REPLICA-12)", async () => {
    const replicas = await Replicas.create(testRandom("divergence of one"));
    replicas.write(2, "doc:right", { replica: 0, resource: "doc:wrong" });
    await replicas.pass(2_000);
    replicas.voters = [A];
    replicas.silent = A;
    const again = replicas.restart(0, replicas.states[0]!, replicas.marks[0]);
    expect(again.isFenced).toBe(true);
    await replicas.pass(1_000);
    expect([again.isFenced, replicas.marks[0]]).toEqual([false, undefined]);
    expect(replicas.alarms[0]!.at(-1)).toMatch(
      /wrong at entry \d+, and serves as it is: it is the only/,
    );
  });

  test("of which no vault is different is fenced, and rebuilt too", async () => {
    const random = testRandom("divergence of no vault");
    const replicas = await Replicas.create(random);
    replicas.write(1, "doc:a");
    const { leader, log } = replicas.ledger;
    // One replica refuses what the others accept as done already: results differ, and no block comes of it.
    const tuple = { resource: "doc:a", relation: "viewer", subject: "user:u" };
    const entry = leader.entry([leader.transaction(1, [{ op: "tuple_must_not_exist", tuple }])]);
    const other = leader.entry([
      leader.transaction(1, [{ op: "tuple_must_not_exist", tuple }]),
      leader.transaction(1, [{ op: "tuple_must_not_exist", tuple }]),
    ]);
    log.push(entry);
    replicas.states.forEach((state, i) => {
      state.apply(log.length, 1, i === 1 ? other : entry);
      replicas.divergences[i]!.applied();
    });
    await replicas.pass(4_000);
    expect(replicas.divergences[1]!.isFenced).toBe(true);
    expect(replicas.alarms[1]![0]).toContain("in rows of no vault");
    expect(replicas.asked[1]!.length).toBeGreaterThan(0);
  });
});

/**
 * The story: a wrong replica asked a right one where they part, which read a page that had rotted on its disk. The error went up
 * to the connection that had brought the question, and the process ended as if by a bug.
 */
test("a question that cannot be answered from the disk stops the node that was asked with the disk's error", async () => {
  const replicas = await Replicas.create(testRandom("divergence rotten"));
  const rotten = new LedgerError("STORE_PAGE_CORRUPT", "page 42 of table leaf");
  Object.defineProperty(replicas.states[0]!, "requireVault", {
    value: () => {
      throw rotten;
    },
  });
  const question = { kind: "buckets", request: 1, vault: 1, height: 1 } as const;
  replicas.divergences[0]!.onFrame(B, encodeDigestFrame(question));
  expect(replicas.fatal).toEqual([[rotten], [], []]);
});

describe("a digest frame", () => {
  const frames: DigestFrame[] = [
    { kind: "report", points: [{ index: 2 ** 47, digest: digest(3) }] },
    {
      kind: "heads",
      request: 7,
      applied: 9,
      heads: [{ vault: 1, height: 2 ** 40 + 1, blockHash: digest(1) }],
    },
    { kind: "parted", request: 7, applied: 9, found: { vault: 2, height: 3 } },
    { kind: "parted", request: 7, applied: 9, found: undefined },
    { kind: "buckets", request: 1, vault: 2, height: 3 },
    { kind: "hashes", request: 1, hashes: new Uint8Array(8_192).fill(5) },
    { kind: "hashes", request: 1, hashes: undefined },
    {
      kind: "leaves",
      request: 1,
      vault: 2,
      height: 3,
      bucket: 255,
      after: new Uint8Array(48).fill(255),
    },
    { kind: "leaves", request: 1, vault: 2, height: 3, bucket: 0, after: undefined },
    { kind: "records", request: 1, leaves: [{ path: new Uint8Array(48), hash: digest(9) }] },
    { kind: "records", request: 1, leaves: [] },
    { kind: "records", request: 1, leaves: undefined },
  ];

  test("comes back as it was written", () => {
    for (const frame of frames) expect(decodeDigestFrame(encodeDigestFrame(frame))).toEqual(frame);
  });

  test("is in docs/format/digest.md as the code has it", () => {
    const read = (path: string): string =>
      readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");
    const source = read("packages/engine/src/cluster/digest-frames.ts");
    const lines = [...source.matchAll(/^ \* {5}(\d \w+ +u.*)$/gm)].map(([, line]) => line!);
    expect(lines).toHaveLength(7);
    const document = read("docs/format/digest.md");
    for (const line of lines) expect(document).toContain(line);
  });

  test("that is cut or changed is refused with CODEC_DECODE or another one", () => {
    const random = testRandom("digest frames");
    for (const frame of frames) {
      const bytes = encodeDigestFrame(frame);
      for (let i = 0; i < testRounds(30); i++) {
        const copy = bytes.slice(0, random.chance(0.5) ? bytes.length : random.int(bytes.length));
        if (copy.length > 0) copy[random.int(copy.length)]! ^= 1 << random.int(8);
        try {
          decodeDigestFrame(copy);
        } catch (error) {
          expect(error).toMatchObject({ code: "CODEC_DECODE" });
        }
      }
    }
  });
});
