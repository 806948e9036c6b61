/** What calls that are passed on may take of a node's memory. */
import { describe, expect, it } from "vitest";
import { thrownBy } from "../../../test/support.js";
import { ForwardBudget, heldBytes } from "../src/forward-budget.js";

const MiB = 1024 * 1024;

describe("calls that are passed on to the leader", () => {
  it("hold 32 MiB at most, and those beyond are told when to come again", () => {
    const budget = new ForwardBudget();
    const back = Array.from({ length: 8 }, () => budget.take(4 * MiB));
    const error = thrownBy(() => budget.take(1));
    expect(error.code).toBe("OVERLOADED");
    expect(error.retryAfterMs).toBeGreaterThan(0);
    back[0]!();
    budget.take(4 * MiB);
    expect(budget.bytes).toBe(32 * MiB);
  });

  it("are 4,096 at most, however small", () => {
    const budget = new ForwardBudget();
    for (let i = 0; i < 4_096; i++) budget.take(1);
    expect(thrownBy(() => budget.take(1)).code).toBe("OVERLOADED");
  });

  it("are let through one at a time, however large: what fits a message can be written anywhere", () => {
    const budget = new ForwardBudget();
    const giveBack = budget.take(100 * MiB);
    expect(thrownBy(() => budget.take(1)).code).toBe("OVERLOADED");
    giveBack();
    expect(budget.bytes).toBe(0);
  });

  it("count by what they take decoded: of a large transaction that is ten times its bytes and more", () => {
    const operations = Array.from({ length: 1_000 }, () => ({}));
    const bytes = 41_285;
    const held = heldBytes({ transaction: { operations } }, bytes);
    expect(held).toBeGreaterThan(10 * bytes);
    expect(heldBytes({ transactions: [{ operations }, { operations }] }, 2 * bytes)).toBe(2 * held);
    expect(heldBytes({ name: "of another kind" }, 10)).toBe(30);
  });
});
