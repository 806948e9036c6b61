/** Random models, data and lies: whatever a server changes in what it sends, a client takes the true answer or none. */

import type { SeededRandom } from "@authledger/io";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom, testRounds } from "../../../../test/support.js";
import {
  type AuthorizationModel,
  type DecisionAnswer,
  type DecisionQuestion,
  decide,
  ModelCache,
  type RelationTuple,
  type Rewrite,
  type TypeRestriction,
} from "../../src/index.js";
import { CommittedReader, type CommittedState, NOW_MS } from "../support/committed-state.js";
import {
  flipped,
  modelOf,
  type ProvenDecision,
  prove,
  stateWith,
  verify,
} from "../support/proven-decision.js";

const RELATIONS = ["r0", "r1", "r2", "r3"];
const IDS = [0, 1, 2, 3];

/** Groups in groups, documents with parents, and four relations that lead anywhere. */
function randomModel(random: SeededRandom): AuthorizationModel {
  const restrictions: readonly TypeRestriction[] = [
    { type: "user" },
    { type: "user", wildcard: true },
    { type: "group", relation: "member" },
    { type: "user", condition: "lucky" },
    { type: "doc", relation: "r0" },
  ];
  const relations = Object.fromEntries(
    RELATIONS.map((name, i) => {
      const rewrite = randomRewrite(random, i, 2);
      const directTypes = restrictions.filter(() => random.chance(0.5));
      return [
        name,
        {
          rewrite: direct(rewrite),
          directTypes: [
            restrictions[0]!,
            ...directTypes.filter((type) => type !== restrictions[0]),
          ],
        },
      ];
    }),
  );
  const parent = { rewrite: { kind: "direct" } as const, directTypes: [{ type: "doc" }] };
  const member = { rewrite: { kind: "direct" } as const, directTypes: restrictions.slice(0, 3) };
  return {
    schema: "1.1",
    types: {
      user: { relations: {} },
      group: { relations: { member } },
      doc: { relations: { ...relations, parent } },
    },
    conditions: { lucky: { parameters: { n: "int", of: "int" }, expression: "n % 2 == of % 2" } },
  };
}

/** A relation without stored tuples may have no direct types, and one with types must use them. */
const direct = (rewrite: Rewrite): Rewrite => ({
  kind: "union",
  children: [{ kind: "direct" }, rewrite],
});

function randomRewrite(random: SeededRandom, own: number, depth: number): Rewrite {
  switch (random.int(depth > 0 ? 5 : 2)) {
    case 0:
      // Of an earlier one: computed relations in a circle are no model.
      if (own > 0) return { kind: "computed", relation: random.pick(RELATIONS.slice(0, own)) };
      return { kind: "tuple_to_userset", tupleset: "parent", relation: random.pick(RELATIONS) };
    case 1:
      return { kind: "tuple_to_userset", tupleset: "parent", relation: random.pick(RELATIONS) };
    case 2: {
      const [base, subtract] = [0, 1].map(() => randomRewrite(random, own, depth - 1));
      return { kind: "exclusion", base: base!, subtract: subtract! };
    }
    default: {
      const kind = random.chance(0.5) ? "union" : "intersection";
      return { kind, children: [0, 1].map(() => randomRewrite(random, own, depth - 1)) };
    }
  }
}

type Stored = RelationTuple & { readonly expiresAtMs?: number };

function randomTuples(random: SeededRandom): Stored[] {
  const found = new Map<string, Stored>();
  for (let i = 0; i < 60; i++) {
    const isGroup = random.chance(0.3);
    const object = `${isGroup ? "group" : "doc"}:${random.pick(IDS)}`;
    const relation = isGroup ? "member" : random.pick([...RELATIONS, "parent"]);
    const subject =
      relation === "parent"
        ? `doc:${random.pick(IDS)}`
        : random.pick([
            `user:${random.pick(IDS)}`,
            `user:${random.pick(IDS)}`,
            "user:*",
            `group:${random.pick(IDS)}#member`,
            `doc:${random.pick(IDS)}#r0`,
          ]);
    const isConditional = subject.startsWith("user:") && random.chance(0.3);
    const condition = { name: "lucky", context: { n: random.int(4) } };
    const expiresAtMs = random.pick([0, 0, 0, NOW_MS, NOW_MS + 1]);
    const tuple = { object, relation, subject, expiresAtMs, ...(isConditional && { condition }) };
    found.set(`${object} ${relation} ${subject}`, tuple);
  }
  return [...found.values()];
}

function randomQuestion(random: SeededRandom): DecisionQuestion {
  const context = { of: random.int(2) };
  const [object, relation] = [`doc:${random.pick(IDS)}`, random.pick(RELATIONS)];
  const subject = random.pick([`user:${random.pick(IDS)}`, "user:9", "group:1#member"]);
  switch (random.int(4)) {
    case 0: {
      const limit = 1 + random.int(3);
      return { kind: "list_objects", type: "doc", relation, subject, limit, context };
    }
    case 1:
      return {
        kind: "list_users",
        object,
        relation,
        filters: ["user"],
        limit: 1 + random.int(4),
        context,
      };
    default:
      return { kind: "check", checks: [{ object, relation, subject }], context };
  }
}

interface Case {
  readonly state: CommittedState;
  readonly sent: ProvenDecision<DecisionQuestion>;
}

/** A question that has an answer, with its proof. */
function randomCase(random: SeededRandom, state: CommittedState, reader: CommittedReader): Case {
  for (;;) {
    try {
      return { state, sent: prove(state, randomQuestion(random), reader) };
    } catch (error) {
      if (LedgerError.from(error).code !== "EVALUATION_TOO_COMPLEX") throw error;
    }
  }
}

type Lie = (random: SeededRandom, honest: Case, other: Case) => ProvenDecision<DecisionQuestion>;

/** What a server may change. */
const LIES: Readonly<Record<string, Lie>> = {
  "the answer": (_, { sent }) => ({ ...sent, answer: another(sent.answer) }),
  "less evidence": (random, { state, sent }) => {
    const { gets, lists } = sent.asked;
    const at = random.int(gets.length + lists.length);
    const asked = {
      gets: gets.filter((_, i) => i !== at),
      lists: lists.filter((_, i) => i + gets.length !== at),
    };
    return { ...sent, stateProof: state.prove(asked) };
  },
  "evidence of another question": (_, { sent }, other) => ({
    ...sent,
    stateProof: other.sent.stateProof,
    tupleValues: other.sent.tupleValues,
  }),
  "another question's everything": (_, { sent }, other) => ({
    ...other.sent,
    question: sent.question,
    answer: sent.answer,
  }),
  "a byte of the proof": (random, { sent }) => ({
    ...sent,
    stateProof: flipped(sent.stateProof, random.int(sent.stateProof.length)),
  }),
  "a byte of a value": (random, { sent }) => ({
    ...sent,
    tupleValues: sent.tupleValues.map((value) => flipped(value, random.int(value.length))),
  }),
  "a byte of the model": (random, { sent }) => ({
    ...sent,
    modelBody: flipped(sent.modelBody, random.int(sent.modelBody.length)),
  }),
  "no values": (_, { sent }) => ({ ...sent, tupleValues: [] }),
};

/** What a client makes of it: what it would give out, or that it was refused. */
function outcome(state: CommittedState, sent: ProvenDecision<DecisionQuestion>): string {
  try {
    // A client without a model kept: what is sent must suffice.
    return JSON.stringify(verify(state, sent, { models: new ModelCache() }).answer);
  } catch (error) {
    const { code, message } = LedgerError.from(error);
    const isRefused = code === "PROOF_INVALID" || code === "PROOF_INSUFFICIENT";
    if (isRefused || message === "proof of another state") return "refused";
    throw error;
  }
}

describe("random models and data", () => {
  test("INV-DECISION-6: whatever is changed in what a server sends, a client takes the true answer or none", () => {
    const random = testRandom("lies");
    const refusals = new Map(Object.keys(LIES).map((name) => [name, 0]));
    for (let round = 0; round < testRounds(5); round++) {
      const model = randomModel(random);
      const state = stateWith(model, randomTuples(random));
      const reader = new CommittedReader(state);
      for (let i = 0; i < 6; i++) {
        const [honest, other] = [
          randomCase(random, state, reader),
          randomCase(random, state, reader),
        ];
        const { question, answer } = honest.sent;
        const truth = decide(modelOf(state), reader, question).answer;
        expect(JSON.stringify(answer)).toBe(JSON.stringify(truth));
        expect(outcome(state, honest.sent)).toBe(JSON.stringify(truth));
        for (const [name, lie] of Object.entries(LIES)) {
          const found = outcome(state, lie(random, honest, other));
          expect([JSON.stringify(truth), "refused"]).toContain(found);
          if (found === "refused") refusals.set(name, refusals.get(name)! + 1);
        }
      }
    }
    for (const [name, count] of refusals) expect(count, name).toBeGreaterThan(0);
  });

  test("INV-DECISION-6: proofs of one state say nothing about another", () => {
    const random = testRandom("states");
    for (let round = 0; round < testRounds(6); round++) {
      const model = randomModel(random);
      const tuples = randomTuples(random);
      const [before, after] = [stateWith(model, tuples.slice(1)), stateWith(model, tuples)];
      const { sent } = randomCase(random, before, new CommittedReader(before));
      expect(outcome(after, sent)).toBe("refused");
    }
  });

  test("INV-DECISION-4: a hit by subject without its twin is refused; a check does not care", () => {
    const random = testRandom("twins");
    let refused = 0;
    for (let round = 0; round < testRounds(6); round++) {
      const model = randomModel(random);
      const state = stateWith(model, []);
      for (const { object, relation, subject } of randomTuples(random)) {
        const tuple = { resource: object, relation, subject };
        state.addTuple({ tuple, ...(random.chance(0.4) && { only: "by-subject" as const }) });
      }
      const reader = new CommittedReader(state);
      for (const relation of RELATIONS) {
        const page = { type: "doc", relation, subject: "user:1", limit: 100, context: { of: 1 } };
        const sent = prove(state, { kind: "list_objects", ...page }, reader);
        const found = outcome(state, sent);
        if (found === "refused") refused++;
        else
          for (const object of (sent.answer as { objects: readonly string[] }).objects) {
            const checks = [{ object, relation, subject: "user:1" }];
            const check = prove(state, { kind: "check", checks, context: { of: 1 } }, reader);
            expect(outcome(state, check)).toBe('{"kind":"check","allowed":[true]}');
          }
      }
    }
    expect(refused).toBeGreaterThan(0);
  });
});

/** Another answer than this. */
function another(answer: DecisionAnswer): never {
  if (answer.kind === "check")
    return { ...answer, allowed: answer.allowed.map((x) => !x) } as never;
  const names = answer.kind === "list_objects" ? answer.objects : answer.users;
  const changed = names.length > 0 ? names.slice(1) : ["user:nobody"];
  const key = answer.kind === "list_objects" ? "objects" : "users";
  return { ...answer, [key]: changed } as never;
}
