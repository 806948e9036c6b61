/** Summaries of refused calls. */
import { describe, expect, test } from "vitest";
import type { AuditRecord } from "../../src/audit/audit-record.js";
import { REFUSALS_MAX, Refusals } from "../../src/audit/refusals.js";

const refusal = (actor: string, timeMs: number, action = "ReadService/check"): AuditRecord => ({
  ...{ timeMs, actor, action, resource: { vault: "7" }, outcome: "refused" },
  ...{
    code: "PERMISSION_DENIED",
    message: "no",
    requestId: `r${timeMs}`,
    client: "::1",
    node: "n",
  },
});
const sum = (records: readonly AuditRecord[]): number =>
  records.reduce((count, record) => count + record.count!, 0);

describe("summaries of refused calls", () => {
  test("INV-TRAIL-2: calls of one principal, method and reason are one summary, which begins with the first and ends with the last", () => {
    const refusals = new Refusals();
    for (const time of [5, 6, 9]) refusals.add(refusal("key:a", time));
    refusals.add(refusal("key:b", 7));
    refusals.add(refusal("key:a", 8, "WriteService/write"));
    expect(refusals.take()).toEqual([
      { ...refusal("key:a", 5), count: 3, untilMs: 9 },
      { ...refusal("key:b", 7), count: 1, untilMs: 7 },
      { ...refusal("key:a", 8, "WriteService/write"), count: 1, untilMs: 8 },
    ]);
    expect(refusals.take()).toEqual([]);
  });

  test("INV-TRAIL-2: however many names somebody invents, a minute has a fixed number of summaries, and every call is in one", () => {
    const refusals = new Refusals();
    for (let i = 0; i < 10_000; i++) refusals.add(refusal(`user:${i}`, i));
    const taken = refusals.take();
    expect(taken).toHaveLength(REFUSALS_MAX + 1);
    expect(taken.at(-1)).toMatchObject({ actor: "others", count: 10_000 - REFUSALS_MAX });
    expect(sum(taken)).toBe(10_000);
  });

  test("INV-TRAIL-2: what could not be written is counted on in the next summary, in bounded memory", () => {
    const refusals = new Refusals();
    refusals.add(refusal("key:a", 1));
    const taken = refusals.take();
    refusals.add(refusal("key:a", 2));
    refusals.giveBack(taken);
    expect(refusals.take()).toEqual([{ ...refusal("key:a", 1), count: 2, untilMs: 2 }]);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 500; i++) refusals.add(refusal(`user:${round}/${i}`, i));
      refusals.giveBack(refusals.take());
    }
    const left = refusals.take();
    expect(left.length).toBeLessThanOrEqual(REFUSALS_MAX + 1);
    expect(sum(left) + refusals.lost).toBe(1_500);
  });
});
