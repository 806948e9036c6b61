/** What calls that are passed on may take of a node's memory. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../test/support.js";
import { ForwardBudget } from "../src/forward-budget.js";

const MiB = 1024 * 1024;

describe("calls that are passed on to the leader", () => {
  it("take 64 MiB at most, and those beyond are told when to come again", () => {
    const budget = new ForwardBudget();
    const back = Array.from({ length: 16 }, () => budget.take(4 * MiB));
    const error = thrownBy(() => budget.take(1));
    expect(error.code).toBe("OVERLOADED");
    expect(error.retryAfterMs).toBeGreaterThan(0);
    back[0]!();
    budget.take(4 * MiB);
  });

  it("are 4,096 at most, however small", () => {
    const budget = new ForwardBudget();
    for (let i = 0; i < 4_096; i++) budget.take(1);
    expect(thrownBy(() => budget.take(1)).code).toBe("OVERLOADED");
  });
});
