/** Truths with two bounds: the tables that the suites expect of operators. */
import { describe, expect, it } from "vitest";
import {
  both,
  butNot,
  CYCLE,
  either,
  FALSE,
  isUndecided,
  TRUE,
  UNKNOWN,
} from "../../src/evaluate/truth.js";

const ALL = [FALSE, CYCLE, TRUE, UNKNOWN];

describe("truths", () => {
  it("unions: true beats what cannot be evaluated, which beats false; a cycle is more than false", () => {
    for (const truth of ALL) {
      expect(either(truth, TRUE)).toBe(TRUE);
      expect(either(TRUE, truth)).toBe(TRUE);
      expect(either(truth, FALSE)).toBe(truth);
      expect(either(truth, truth)).toBe(truth);
    }
    expect(isUndecided(either(UNKNOWN, CYCLE))).toBe(true);
  });

  it("intersections: false beats all else, and a cycle makes them false", () => {
    for (const truth of ALL) {
      expect(both(truth, FALSE)).toBe(FALSE);
      expect(both(truth, TRUE)).toBe(truth);
    }
    expect(both(CYCLE, TRUE)).toBe(CYCLE);
    expect(isUndecided(both(UNKNOWN, TRUE))).toBe(true);
    expect(isUndecided(both(UNKNOWN, CYCLE))).toBe(false);
  });

  it("exclusions: a false base and a true subtraction beat what cannot be evaluated; a cycle subtracted gives nothing", () => {
    for (const truth of ALL) {
      expect(butNot(FALSE, truth)).toBe(FALSE);
      expect(butNot(truth, TRUE)).toBe(FALSE);
      expect(butNot(truth, FALSE)).toBe(truth);
    }
    expect(butNot(TRUE, CYCLE)).toBe(CYCLE);
    expect(isUndecided(butNot(TRUE, UNKNOWN))).toBe(true);
  });
});
