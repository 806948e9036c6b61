/** The explorer over the real core. `npm run simulate -- --explore SECONDS` goes far deeper. */
import * as module from "@authledger/raft";
import { describe, expect, it } from "vitest";
import { explore } from "../../src/core/explorer.js";
import { fingerprintOf } from "../../src/core/fingerprint.js";
import { shapes } from "../../src/core/shapes.js";

describe("the explorer", () => {
  it.each(shapes.map((shape) => [shape.name, shape] as const))(
    "breaks no rule from: %s",
    (_name, shape) => {
      const { violation, states, story } = explore({ module, shape, statesMax: 600 });
      expect(violation && [violation.message, ...story].join("\n")).toBeUndefined();
      expect(states).toBe(600);
    },
  );

  it("INV-SIM-6: meets every world once, however often it is asked, and all of a small start", () => {
    const base = shapes.find(({ name }) => name === "three fresh nodes")!;
    const shape = {
      ...base,
      nodes: base.nodes.slice(0, 2),
      membership: { ...base.membership, voters: base.membership.voters.slice(0, 2) },
      budgets: { ...base.budgets, proposals: 0 },
    };
    const [first, again] = [1, 2].map(() => explore({ module, shape, statesMax: 100_000 }));
    expect(first!.isComplete).toBe(true);
    expect([again!.states, again!.depth]).toEqual([first!.states, first!.depth]);
    expect(first!.states).toBeGreaterThan(100);
  });

  it("tells texts apart that differ in little", () => {
    const texts = Array.from({ length: 20_000 }, (_, i) => `n1 t${i % 100} last ${i}`);
    expect(new Set(texts.map(fingerprintOf)).size).toBe(texts.length);
  });
});
