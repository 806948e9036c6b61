import {
  extractSequence,
  extractTimestamp,
  LedgerError,
  SNOWFLAKE_EPOCH_MS,
  SnowflakeGenerator,
} from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRandom, testRounds, thrownBy } from "../../../../test/support.js";

const PER_MS = 2 ** 22;
const NOW = Date.UTC(2026, 10, 21, 12, 0, 0, 250);

/** A generator whose clock is the returned object. */
function generatorAt(ms: number, last?: bigint) {
  const clock = { ms };
  return { clock, generator: new SnowflakeGenerator(() => clock.ms, last) };
}

function idAt(ms: number, sequence: number): bigint {
  return (BigInt(ms - SNOWFLAKE_EPOCH_MS) << 22n) | BigInt(sequence);
}

describe("the parts of an id (L-8)", () => {
  it("count milliseconds from 2024-01-01 UTC", () => {
    expect(SNOWFLAKE_EPOCH_MS).toBe(Date.parse("2024-01-01T00:00:00Z"));
  });

  it("are the time in the upper 42 bits and the sequence in the lower 22", () => {
    const { generator } = generatorAt(NOW);
    const [first, second] = [generator.next(), generator.next()];
    expect(first).toBe(idAt(NOW, 0));
    expect(second).toBe(idAt(NOW, 1));
    expect([extractTimestamp(second), extractSequence(second)]).toEqual([NOW, 1]);
  });

  it("are taken out as they were put in, over the whole range", () => {
    const random = testRandom("snowflake parts");
    for (let i = 0; i < testRounds(2_000); i++) {
      const ms = SNOWFLAKE_EPOCH_MS + random.int(2 ** 21) * 2 ** 21 + random.int(2 ** 21);
      const sequence = random.int(PER_MS);
      const id = idAt(ms, sequence);
      expect([extractTimestamp(id), extractSequence(id)]).toEqual([ms, sequence]);
    }
  });

  it("last 139 years; the last possible id fits 64 bits, the next one is refused", () => {
    const end = SNOWFLAKE_EPOCH_MS + 2 ** 42 - 1;
    expect(new Date(end).getUTCFullYear()).toBe(2163);
    const { generator } = generatorAt(end, idAt(end, PER_MS - 2));
    expect(generator.next()).toBe(2n ** 64n - 1n);
    expect(thrownBy(() => generator.next()).code).toBe("SYSTEM_CLOCK");
  });

  it("the reserved id 0 is never generated, not even at the epoch", () => {
    expect(generatorAt(SNOWFLAKE_EPOCH_MS).generator.next()).toBe(1n);
  });
});

describe("INV-ID-1: ids of one generator ascend strictly", () => {
  it("4,194,304 ids of one millisecond are distinct and keep its time; the next one moves on (L-9)", () => {
    const { generator } = generatorAt(NOW);
    const first = generator.next();
    let last = first;
    let ascending = true;
    for (let i = 1; i < PER_MS; i++) {
      const id = generator.next();
      ascending &&= id === last + 1n;
      last = id;
    }
    expect(ascending).toBe(true);
    expect([first, last]).toEqual([idAt(NOW, 0), idAt(NOW, PER_MS - 1)]);
    expect(generator.next()).toBe(idAt(NOW + 1, 0));
  });

  it("a clock that goes back yields no smaller and no equal id (L-10)", () => {
    const { clock, generator } = generatorAt(NOW);
    const before = generator.next();
    clock.ms = NOW - 9_999;
    const [second, third] = [generator.next(), generator.next()];
    expect([second, third]).toEqual([before + 1n, before + 2n]);
  });

  it("a clock that goes back more than 10 s is refused, and costs no id (L-10)", () => {
    const { clock, generator } = generatorAt(NOW);
    const before = generator.next();
    clock.ms = NOW - 10_001;
    const error = thrownBy(() => generator.next());
    expect([error.code, error.details["behindMs"]]).toEqual(["SYSTEM_CLOCK", 10_001]);
    clock.ms = NOW - 10_000;
    expect(generator.next()).toBe(before + 1n);
  });

  it("a generator that starts again goes on behind the newest id known, also under an older clock", () => {
    const last = idAt(NOW, 17);
    expect(generatorAt(NOW - 5_000, last).generator.next()).toBe(last + 1n);
    expect(generatorAt(NOW + 3, last).generator.next()).toBe(idAt(NOW + 3, 0));
  });

  it("holds under any clock, and only ids more than 10 s ahead of it are refused", () => {
    const random = testRandom("snowflake clock");
    const { clock, generator } = generatorAt(NOW);
    let last = 0n;
    let [made, refused] = [0, 0];
    for (let i = 0; i < testRounds(200_000); i++) {
      if (random.chance(0.02)) clock.ms += random.between(-4_000, 4_100);
      const id = nextOrRefusal(generator);
      if (id === undefined) {
        refused++;
        if (extractTimestamp(last) - clock.ms < 10_000) expect.fail(`refused after ${last}`);
      } else {
        made++;
        if (id <= last) expect.fail(`${id} after ${last}`);
        if (extractTimestamp(id) - clock.ms > 10_000) expect.fail(`${id} is too far ahead`);
        last = id;
      }
    }
    expect(made).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  });
});

/** The next id, undefined when the generator refuses because of its clock. */
function nextOrRefusal(generator: SnowflakeGenerator): bigint | undefined {
  try {
    return generator.next();
  } catch (error) {
    if (error instanceof LedgerError && error.code === "SYSTEM_CLOCK") return undefined;
    throw error;
  }
}
