/** A copy of a core goes its own way, and equal cores say so. */
import type { Action, Core, Event } from "@authledger/raft";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import { changeOf, node, TestGroup } from "../support/group.js";

const EVENTS: readonly ((n: number) => Event)[] = [
  () => ({ kind: "tick" }),
  () => ({ kind: "turn" }),
  (n) => ({ kind: "propose", proposal: n, payloads: [new Uint8Array(n % 5)] }),
  (n) => ({ kind: "read", context: n }),
  () => ({ kind: "unreachable", node: node(2) }),
  () => ({ kind: "transfer", to: node(3) }),
  (n) => ({ kind: "propose-change", proposal: n, change: changeOf("l4") }),
];

describe("a copy of a core", () => {
  test("does what the core does for equal events, and leaves the core alone", () => {
    const random = testRandom("copies of a core");
    for (let round = 0; round < 20; round++) {
      const group = new TestGroup(3, { readMode: random.chance(0.5) ? "lease" : "quorum" });
      group.tick(1, 30);
      group.settle();
      const { core, log } = group.node(1);
      const before = core.fingerprint();
      const copies = [1, 2].map(() => core.clone(log.clone(), () => 0));
      for (let i = 0; i < 40; i++) {
        const event = EVENTS[random.int(EVENTS.length)]!(i);
        const [one, other] = copies.map((copy) => taken(copy, event));
        expect(one).toEqual(other);
        expect(copies[0]!.fingerprint()).toBe(copies[1]!.fingerprint());
      }
      expect(core.fingerprint()).toBe(before);
    }
  });

  test("has another fingerprint as soon as it knows something else", () => {
    const group = new TestGroup(3);
    group.elect(1);
    const { core, log } = group.node(1);
    const seen = new Set([core.fingerprint()]);
    for (const make of EVENTS.slice(0, 6)) {
      const copy = core.clone(log.clone(), () => 0);
      taken(copy, make(1));
      seen.add(copy.fingerprint());
    }
    // The end of a turn in which nobody reads changes nothing.
    expect(seen.size).toBe(6);
  });

  test("counts appends from where they stand, so that a search meets its own states again", () => {
    const group = new TestGroup(3);
    group.elect(1);
    const { core, log } = group.node(1);
    const before = core.fingerprint();
    const copy = core.clone(log.clone(), () => 0);
    for (const from of [2, 3]) {
      taken(copy, {
        kind: "message",
        message: {
          type: "pre-vote",
          from: node(from),
          to: node(1),
          term: 1,
          index: 0,
          logTerm: 0,
          isTransfer: false,
        },
      });
    }
    expect(copy.fingerprint()).toBe(before);
  });
});

function taken(core: Core, event: Event): Action[] {
  const actions: Action[] = [];
  core.step(event, actions);
  return actions;
}
