/** What blocks changed, against a plain map that is told the same operations. */
import type { SeededRandom } from "@authledger/io";
import { describe, expect, it } from "vitest";
import { testRandom, thrownBy } from "../../../../test/support.js";
import { type Change, type ChangeFilter, listChanges } from "../../src/index.js";
import { transactionKey } from "../../src/tables.js";
import { Ledger, type PlainOp } from "../state-support.js";

const VAULT = 1;
const START = { height: 0, index: 0, operation: 0 };

function pick(random: SeededRandom, count: number): number {
  return random.bytes(1)[0]! % count;
}

/** A random operation, and what it changes when `there` holds what exists. */
function randomOp(random: SeededRandom, there: Map<string, number>): [PlainOp, string | undefined] {
  const tuple = {
    resource: `${["doc", "folder"][pick(random, 2)]}:${pick(random, 3)}`,
    relation: ["viewer", "owner"][pick(random, 2)]!,
    subject: `${["user", "group"][pick(random, 2)]}:${pick(random, 2)}`,
  };
  const key = `k:${pick(random, 3)}`;
  const name = `${tuple.resource}#${tuple.relation}@${tuple.subject}`;
  switch (pick(random, 4)) {
    case 0: {
      const expiresAtMs = pick(random, 2) === 0 ? 0 : 9e15;
      const before = there.get(name);
      there.set(name, expiresAtMs);
      const change = before === undefined ? "created" : before === expiresAtMs ? "" : "replaced";
      return [{ op: "create_tuple", tuple, expiresAtMs }, change && `${change} ${name}`];
    }
    case 1:
      return [{ op: "delete_tuple", tuple }, there.delete(name) ? `deleted ${name}` : ""];
    case 2: {
      const kind = there.has(key) ? "replaced" : "created";
      there.set(key, 0);
      return [{ op: "set_entity", key, plain: random.bytes(4), expiresAtMs: 0 }, `${kind} ${key}`];
    }
    default: {
      const condition = { kind: "none" } as const;
      return [{ op: "delete_entity", key, condition }, there.delete(key) ? `deleted ${key}` : ""];
    }
  }
}

function nameOf({ change, target }: Change): string {
  if (target.kind === "record") return `${change} ${target.partition}/${target.group}`;
  if (target.kind === "entity") return `${change} ${target.key}`;
  const { resource, relation, subject } = target.tuple;
  return `${change} ${resource}#${relation}@${subject}`;
}

/** All pages from a position on, each with a limit of its own. */
function pagesOf(ledger: Ledger, filter: ChangeFilter, limit: () => number): Change[] {
  const vault = ledger.state.vault(VAULT)!;
  const all: Change[] = [];
  for (let from = START; from.height < vault.size; ) {
    const page = { from, end: vault.size, limit: limit() };
    const { changes, next } = listChanges(vault, ledger.state.tables, filter, page);
    all.push(...changes);
    from = next;
  }
  return all;
}

async function randomLedger(): Promise<{
  ledger: Ledger;
  expected: string[];
  random: SeededRandom;
}> {
  const random = testRandom("changes");
  const ledger = await Ledger.create(random);
  const there = new Map<string, number>();
  const expected = ["created ledger/genesis"];
  for (let block = 0; block < 60; block++) {
    const items = Array.from({ length: 1 + pick(random, 3) }, () => {
      const ops: PlainOp[] = [];
      for (let i = 0; i <= pick(random, 4); i++) {
        const [op, change] = randomOp(random, there);
        ops.push(op);
        if (change) expected.push(change);
      }
      return ledger.leader.transaction(VAULT, ops);
    });
    ledger.apply(items);
  }
  return { ledger, expected, random };
}

// INV-CHANGES-1
describe("changes", () => {
  it("are what a plain map says, in order, and pages of any limit join without gap or duplicate", async () => {
    const { ledger, expected, random } = await randomLedger();
    const whole = pagesOf(ledger, {}, () => 100_000);
    expect(whole.map(nameOf)).toEqual(expected);
    expect(pagesOf(ledger, {}, () => 1 + pick(random, 5))).toEqual(whole);
    const positions = whole.map(({ height, index, operation }) => [height, index, operation]);
    expect(new Set(positions.map(String)).size).toBe(positions.length);
    expect(
      whole.every(({ actor, transactionId }) => actor === "test" && transactionId.length === 16),
    );
  });

  it.each<[string, ChangeFilter, (name: string) => boolean]>([
    ["a type of resources", { resourceType: "doc" }, (name) => / doc:/.test(name)],
    ["a resource", { resource: "doc:1" }, (name) => / doc:1#/.test(name)],
    ["a relation", { relation: "owner" }, (name) => /#owner@/.test(name)],
    ["a subject", { subject: "user:0" }, (name) => /@user:0$/.test(name)],
    ["a type of subjects", { subjectType: "group" }, (name) => /@group:/.test(name)],
    ["a prefix of entities", { entityPrefix: "k:" }, (name) => / k:/.test(name)],
    [
      "tuples and entities",
      { relation: "viewer", entityPrefix: "k:1" },
      (name) => /#viewer@| k:1/.test(name),
    ],
    ["nothing that exists", { resource: "doc:none" }, () => false],
  ])("can be filtered by %s", async (_, filter, matches) => {
    const { ledger, expected } = await randomLedger();
    expect(pagesOf(ledger, filter, () => 7).map(nameOf)).toEqual(expected.filter(matches));
  });

  it("of a body that retention has removed are an error that names what is left", async () => {
    const { ledger } = await randomLedger();
    const vault = ledger.state.vault(VAULT)!;
    const { tables } = ledger.state;
    for (let height = 0; height < 5; height++) {
      for (let i = 0; i < 4; i++) tables.transaction.delete(transactionKey(VAULT, height, i));
    }
    const page = { from: START, end: vault.size, limit: 10 };
    const error = thrownBy(() => listChanges(vault, tables, {}, page));
    const newest = vault.size - 1;
    expect([error.code, error.details]).toEqual([
      "HEIGHT_UNAVAILABLE",
      { height: 0, oldest: 5, newest },
    ]);
  });
});
