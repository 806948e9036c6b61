/** The guard of the node's thread, on a clock and a loop of its own. */
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import { OverloadGuard, REFUSED } from "../../src/protection/overload-guard.js";
import { Refusals } from "../../src/protection/refusals.js";

const TURN_MS = 25;

class Loop {
  nowMs = 1_000;
  readonly held: number[] = [];
  readonly told: boolean[] = [];
  readonly refusals: Refusals = new Refusals();
  hasWaited = false;
  asked = 0;
  heldOthers = 0;
  #ended: () => void = () => undefined;
  readonly guard: OverloadGuard = new OverloadGuard({
    turnMs: () => TURN_MS,
    refusals: this.refusals,
    connections: {
      noteAsked: () => {
        this.asked++;
      },
      endTurn: () => undefined,
      hold: (_, forMs) => {
        this.held.push(forMs);
        return true;
      },
      holdOthers: () => {
        this.heldOthers++;
      },
      hasWaited: () => this.hasWaited,
    },
    onOverload: (isOverloaded) => this.told.push(isOverloaded),
    nowMs: () => this.nowMs,
    afterTurn: (ended) => {
      this.#ended = ended;
    },
    random: () => 0.5,
  });
  readonly #decode = this.guard.guarded(() => "decoded");

  /** One turn in which so many calls arrive, each of which takes so long. @returns how many were begun */
  turn(calls: number, eachMs: number): number {
    let begun = 0;
    for (let i = 0; i < calls; i++) {
      const request = this.#decode(Buffer.alloc(0));
      try {
        this.guard.admit(request, { getPeer: () => "" });
        begun++;
        this.nowMs += eachMs;
      } catch (error) {
        expect((error as LedgerError).code).toBe("OVERLOADED");
      }
    }
    this.#ended();
    return begun;
  }
}

describe("the guard of the thread", () => {
  test("a burst that is over within the interval is served", () => {
    const loop = new Loop();
    expect(loop.turn(360, 0.25)).toBe(360);
    expect(loop.turn(5, 1)).toBe(5);
    expect(loop.guard.isOverloaded).toBe(false);
  });

  test("INV-OVER-1: once turns stay too long, each begins what fits into its time", () => {
    const loop = new Loop();
    for (let i = 0; i < 2; i++) expect(loop.turn(240, 0.25)).toBe(240);
    expect(loop.guard.isOverloaded).toBe(true);
    for (let i = 0; i < 10; i++) expect(loop.turn(240, 0.25)).toBe(4 * TURN_MS + 1);
    expect(loop.told).toEqual([true]);
  });

  test("INV-OVER-1: even the first long turn begins nothing after four times its time", () => {
    expect(new Loop().turn(2_000, 0.2)).toBe(20 * TURN_MS + 12);
  });

  test("INV-OVER-1: few calls that take long, as on a machine that is busy with others, are served", () => {
    const loop = new Loop();
    for (let i = 0; i < 10; i++) expect(loop.turn(64, 10)).toBe(64);
  });

  test("it recovers after a second in which nearly nothing was refused, not when holding a crowd has made turns short", () => {
    const loop = new Loop();
    for (let i = 0; i < 10; i++) loop.turn(240, 0.25);
    for (let i = 0; i < 400; i++) {
      loop.hasWaited = i % 8 === 0;
      loop.turn(1, 20);
    }
    expect(loop.guard.isOverloaded).toBe(true);
    loop.hasWaited = false;
    for (let i = 0; i < 120; i++) loop.turn(10, 2);
    expect(loop.guard.isOverloaded).toBe(false);
    expect(loop.told).toEqual([true]);
    for (let i = 0; i < 10; i++) loop.turn(240, 0.25);
    expect(loop.guard.isOverloaded).toBe(true);
    // The thread is free for more than half of the time: who is held could be served.
    for (let i = 0; i < 120; i++) {
      loop.hasWaited = i % 8 === 0;
      loop.turn(1, 10);
      loop.nowMs += 15;
    }
    loop.hasWaited = false;
    expect(loop.guard.isOverloaded).toBe(false);
    for (let i = 0; i < 1_000; i++) loop.turn(10, 1);
    expect(loop.told).toEqual([true, false]);
  });

  test("INV-OVER-2: few refusals in a turn hold nobody, many hold who asks on, for longer the more there are", () => {
    const loop = new Loop();
    for (let i = 0; i < 2; i++) loop.turn(240, 0.25);
    loop.turn(101 + 16, 0.25);
    expect([loop.held, loop.heldOthers]).toEqual([[], 0]);
    for (let i = 0; i < 100; i++) loop.turn(300, 0.25);
    expect(Math.min(...loop.held)).toBe(250);
    expect(Math.max(...loop.held)).toBeGreaterThan(250);
    expect(loop.guard.holdMs).toBeLessThanOrEqual(2_000);
    const before = loop.guard.holdMs;
    for (let i = 0; i < 300; i++) loop.turn(20, 1);
    expect(loop.guard.holdMs).toBeLessThan(before);
  });

  test("INV-OVER-2: many connections held in one turn are a crowd, of which the others are held at once", () => {
    const loop = new Loop();
    for (let i = 0; i < 2; i++) loop.turn(240, 0.25);
    loop.turn(101 + 16 + 63, 0.25);
    expect([loop.held.length, loop.heldOthers]).toEqual([63, 0]);
    loop.turn(500, 0.25);
    expect(loop.heldOthers).toBe(1);
  });

  test("a node that is not busy does not note who asks", () => {
    const loop = new Loop();
    for (let i = 0; i < 100; i++) loop.turn(20, 0.25);
    expect(loop.asked).toBe(0);
  });

  test("INV-OVER-2: what waited while its connection was not read is refused, and told when to come again", () => {
    const loop = new Loop();
    loop.hasWaited = true;
    const call = { getPeer: () => "" };
    const error = thrownBy(() => loop.guard.admit("decoded", call));
    expect(error).toBeInstanceOf(LedgerError);
    expect([error.code, error.retryAfterMs]).toEqual(["OVERLOADED", 250]);
    expect(loop.held).toEqual([]);
    expect(loop.refusals.of("overload_turn")).toBe(1);
  });

  test("what is not decoded is not decoded", () => {
    const loop = new Loop();
    let decoded = 0;
    const decode = loop.guard.guarded(() => {
      decoded++;
      loop.nowMs += 200;
      return "decoded";
    });
    for (let i = 0; i < 512; i++) expect(decode(Buffer.alloc(0))).toBe("decoded");
    expect(decode(Buffer.alloc(0))).toBe(REFUSED);
    expect(decoded).toBe(512);
  });
});
