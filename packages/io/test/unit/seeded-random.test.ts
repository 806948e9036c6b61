import { SeededRandom } from "@authledger/io";
import { describe, expect, it } from "vitest";
import { testRandom } from "../../../../test/support.js";

const M = 0xffff_ffffn;
const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & M;

/** xoshiro128** and its seeding once more, as the paper states them, in integers of any size. */
function* reference(seed: number): Generator<number> {
  let x = BigInt(seed);
  const s = Array.from({ length: 4 }, () => {
    x = (x + 0x9e3779b9n) & M;
    let z = x;
    z = ((z ^ (z >> 16n)) * 0x21f0aaadn) & M;
    z = ((z ^ (z >> 15n)) * 0x735a2d97n) & M;
    return z ^ (z >> 15n);
  });
  for (;;) {
    yield Number((rotl((s[1]! * 5n) & M, 7n) * 9n) & M);
    const t = (s[1]! << 9n) & M;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotl(s[3]!, 11n);
  }
}

describe("the seeded generator", () => {
  it.each([0, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])(
    "from seed %i is xoshiro128** as published",
    (seed) => {
      const [random, expected] = [new SeededRandom(seed), reference(seed)];
      for (let i = 0; i < 1_000; i++) expect(random.u32()).toBe(expected.next().value);
    },
  );

  it("replays from its seed, every kind of draw", () => {
    const seed = testRandom("replay").seed;
    const draw = () => {
      const random = new SeededRandom(seed);
      return [
        random.u32(),
        random.int(10),
        random.between(5, 9),
        random.chance(0.5),
        random.pick(["a", "b", "c"]),
        random.shuffle([1, 2, 3, 4, 5, 6]),
        [...random.bytes(9)],
      ];
    };
    expect(draw()).toEqual(draw());
    expect(new SeededRandom(-1).seed).toBe(0xffff_ffff);
  });

  it("differs from seed to seed", () => {
    const firsts = Array.from({ length: 1_000 }, (_, seed) => new SeededRandom(seed).u32());
    expect(new Set(firsts).size).toBeGreaterThan(998);
  });

  it("draws every value of a range about equally often, and none outside", () => {
    const random = new SeededRandom(42);
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[random.between(3, 13) - 3]!++;
    expect(counts).toHaveLength(10);
    expect(Math.min(...counts)).toBeGreaterThan(9_600);
    expect(Math.max(...counts)).toBeLessThan(10_400);
    expect([random.int(1), random.chance(0), random.chance(1)]).toEqual([0, false, true]);
  });

  it("shuffles a copy, keeps every item, and reaches every order", () => {
    const random = new SeededRandom(3);
    const items = ["a", "b", "c"];
    const orders = new Set(Array.from({ length: 200 }, () => random.shuffle(items).join("")));
    expect(orders.size).toBe(6);
    expect(items).toEqual(["a", "b", "c"]);
  });
});
