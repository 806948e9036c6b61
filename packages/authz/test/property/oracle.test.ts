/**
 * The evaluator against the oracle: random models and tuples, every subject on every relation of every object, and all
 * lists, whole and in tiny pages. `SEED=` replays a run, `RUNS=` makes it longer.
 */
import { SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { describe, expect, it } from "vitest";
import { testRounds, testSeed } from "../../../../test/support.js";
import {
  type CheckAnswer,
  check,
  compileModel,
  type ExplainAnswer,
  explain,
  listObjects,
  listRelations,
  listUsers,
  MapTupleReader,
  type World,
} from "../../src/index.js";
import { kindOf, Oracle, type OracleAnswer } from "../support/oracle.js";
import { type RandomWorld, randomWorld } from "../support/random-world.js";

const WORLDS = 20;
/** Deep enough that no path of these worlds is cut. */
const limits = { depth: 200, cost: 1_000_000 };

/** What was asked and what came, with the world to see why. */
interface Asked {
  readonly world: World;
  readonly given: RandomWorld;
  readonly oracle: Oracle;
}

function undecidedOr<T>(run: () => T): T | "undecided" {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof LedgerError && thrown.code === "CONDITION_FAILED") return "undecided";
    throw thrown;
  }
}

function worldOf(seed: number): Asked {
  const given = randomWorld(new SeededRandom(seed));
  const model = compileModel(given.model);
  const world = { model, tuples: new MapTupleReader(given.tuples) };
  const { context, objects } = given;
  return { world, given, oracle: new Oracle(model, given.tuples, { context, objects }) };
}

/** Runs a check of a world for many of them; what fails names the world's own seed. */
function forRandomWorlds(name: string, run: (asked: Asked) => readonly string[]): void {
  const replayed = process.env["WORLD"];
  const seeds = new SeededRandom(testSeed(name));
  const count = replayed === undefined ? testRounds(WORLDS) : 1;
  for (let i = 0; i < count; i++) {
    const seed = replayed === undefined ? seeds.u32() : Number(replayed);
    // One alone: WORLD=<this number>.
    expect({ world: seed, problems: run(worldOf(seed)) }).toEqual({ world: seed, problems: [] });
  }
}

function checks({ world, given, oracle }: Asked): string[] {
  const { context } = given;
  const problems: string[] = [];
  for (const subject of given.subjects) {
    for (const [key, expected] of oracle.answers(subject)) {
      const [object, relation] = key.split("#") as [string, string];
      const question = { object, relation, subject, context, limits };
      const found = undecidedOr(() => check(world, question));
      const explained = undecidedOr(() => explain(world, question));
      const answer = found === "undecided" ? found : found.allowed;
      if (answer !== expected) problems.push(`${key}@${subject}: ${answer}, not ${expected}`);
      if (!agrees(explained, found)) problems.push(`${key}@${subject}: explained otherwise`);
    }
  }
  return problems;
}

function agrees(explained: ExplainAnswer | "undecided", found: CheckAnswer | "undecided"): boolean {
  if (found === "undecided" || explained === "undecided") return found === explained;
  const { allowed, cost, tree } = explained;
  if ((tree.outcome === "true") !== allowed) return false;
  return allowed === found.allowed && cost === found.cost && tree.cost === cost;
}

/** All pages. @returns "undecided" as soon as one is */
function paged<T>(
  limit: number,
  ask: (page: { limit: number; cursor?: Uint8Array }) => {
    items: readonly T[];
    complete: boolean;
    next?: Uint8Array;
  },
): readonly T[] | "undecided" {
  return undecidedOr(() => {
    const all: T[] = [];
    for (let cursor: Uint8Array | undefined; ; ) {
      const page = ask({ limit, ...(cursor === undefined ? {} : { cursor }) });
      const isHonest = page.complete === (page.next === undefined);
      if (!isHonest || page.items.length > limit) throw new Error("a page that is none");
      all.push(...page.items);
      if (page.next === undefined) return all;
      cursor = page.next;
    }
  });
}

function objectLists({ world, given, oracle }: Asked): string[] {
  const { context } = given;
  const problems: string[] = [];
  for (const subject of given.subjects) {
    const answers = oracle.answers(subject);
    for (const { type, name: relation } of world.model.relations) {
      const of = [...answers].filter(
        ([key]) => key.startsWith(`${type}:`) && key.endsWith(`#${relation}`),
      );
      const isOpen = of.some(([, answer]) => answer === "undecided");
      const expected = of.flatMap(([key, answer]) => (answer === true ? [key.split("#")[0]!] : []));
      for (const limit of [1, 1_000]) {
        const question = { type, relation, subject, context, limits };
        const found = paged(limit, (page) => {
          const { objects, ...rest } = listObjects(world, { ...question, ...page });
          return { items: objects, ...rest };
        });
        const what = `${type}#${relation}@${subject}, ${limit} a page`;
        // An undecided object makes the list fail where the walk meets it.
        if (isOpen && found === "undecided") continue;
        const sorted = found === "undecided" ? found : [...found].sort();
        if (String(sorted) !== String(expected.sort())) {
          problems.push(`${what}: ${sorted}, not ${expected}`);
        }
      }
    }
  }
  return problems;
}

function userLists({ world, given, oracle }: Asked): string[] {
  const { context } = given;
  const problems: string[] = [];
  const kinds = [...new Set(given.subjects.map(kindOf))];
  // One of each kind whom no tuple names stands for all the others.
  const others = kinds.map((kind) => kind.replace(/^\w+/, "$&:other"));
  const subjects = [...given.subjects, ...others];
  const answers = new Map(subjects.map((subject) => [subject, oracle.answers(subject)]));
  for (const object of given.objects) {
    for (const { name: relation } of world.model.relationsOf(object.split(":")[0]!)) {
      const of = (subject: string) => answers.get(subject)!.get(`${object}#${relation}`)!;
      for (const kind of kinds) {
        const members = subjects.filter((subject) => kindOf(subject) === kind);
        const open = members.some((subject) => of(subject) === "undecided");
        for (const limit of [1, 1_000]) {
          const question = { object, relation, filters: [kind], context, limits };
          const found = paged(limit, (page) => {
            const { users, ...rest } = listUsers(world, { ...question, ...page });
            return { items: users, ...rest };
          });
          const what = `${object}#${relation}@[${kind}], ${limit} a page`;
          if ((found === "undecided") !== open) problems.push(`${what}: ${found}, open ${open}`);
          else if (found !== "undecided" && !areUsers({ found, kind, members, of })) {
            const have = members.filter((subject) => of(subject) === true);
            problems.push(`${what}: ${found}, of ${have}`);
          }
        }
      }
    }
  }
  return problems;
}

function areUsers(list: {
  readonly found: readonly string[];
  readonly kind: string;
  readonly members: readonly string[];
  readonly of: (subject: string) => OracleAnswer;
}): boolean {
  const { found, kind, members, of } = list;
  const wildcard = `${kind}:*`;
  const have = members.filter((subject) => of(subject) === true);
  if (new Set(found).size !== found.length) return false;
  if (found.includes(wildcard) !== have.includes(wildcard)) return false;
  if (found.some((subject) => !have.includes(subject))) return false;
  // Without the wildcard everybody who has the relation is named; under it those who also have it otherwise.
  if (!have.includes(wildcard)) return found.length === have.length;
  return !found.includes(`${kind}:other`);
}

describe("random models and tuples", () => {
  it("check and explain agree with the definitions (INV-EVAL-2, INV-EVAL-3, INV-EVAL-6)", () => {
    forRandomWorlds("checks", checks);
  });

  it("lists of objects hold each object whose check is true once, on pages of any size (INV-EVAL-9, INV-EVAL-10)", () => {
    forRandomWorlds("lists of objects", objectLists);
  });

  it("lists of users are the sets that checks give, on pages of any size (INV-EVAL-7, INV-EVAL-8)", () => {
    forRandomWorlds("lists of users", userLists);
  });

  it("lists of relations are those whose checks are true", () => {
    forRandomWorlds("lists of relations", ({ world, given, oracle }) => {
      const { context } = given;
      const problems: string[] = [];
      const subject = given.subjects[0]!;
      const answers = oracle.answers(subject);
      for (const object of given.objects) {
        const of = [...answers].filter(([key]) => key.startsWith(`${object}#`));
        const found = undecidedOr(
          () => listRelations(world, { object, subject, context, limits }).relations,
        );
        const have = of.flatMap(([key, answer]) => (answer === true ? [key.split("#")[1]!] : []));
        const open = of.some(([, answer]) => answer === "undecided");
        if (String(found) !== String(open ? "undecided" : have)) {
          problems.push(`${object}@${subject}: ${found}, not ${have}`);
        }
      }
      return problems;
    });
  });
});
