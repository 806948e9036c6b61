/** Every case of the public suites, proven over a real trie and decided again: the answer of the suite, and no other. */
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { testRandom } from "../../../../test/support.js";
import {
  type DecisionAnswer,
  type DecisionQuestion,
  ModelCache,
  type RelationTuple,
  validateAgainstModel,
} from "../../src/index.js";
import { CommittedReader, type CommittedState } from "../support/committed-state.js";
import { type ConformanceCase, conformanceCases } from "../support/conformance.js";
import { type ProvenDecision, prove, stateWith, verify } from "../support/proven-decision.js";

/** So that lists have several pages. */
const PAGE = 3;

interface Vault {
  readonly state: CommittedState;
  readonly reader: CommittedReader;
  readonly models: ModelCache;
}

const vaults = new WeakMap<readonly RelationTuple[], Vault>();

function vaultOf({ model, stored }: ConformanceCase): Vault {
  const known = vaults.get(stored);
  if (known !== undefined) return known;
  // Stages write some keys again; the last one stands.
  const byKey = new Map(stored.map((tuple) => [JSON.stringify(keyOf(tuple)), tuple]));
  const state = stateWith(model.model, [...byKey.values()]);
  const vault = { state, reader: new CommittedReader(state), models: new ModelCache() };
  vaults.set(stored, vault);
  return vault;
}

const keyOf = ({ object, relation, subject }: RelationTuple) => [object, relation, subject];

function questionOf({ question, context, contextualTuples }: ConformanceCase): DecisionQuestion {
  const shared = { context, contextualTuples };
  if (question.kind !== "check") return { ...question, ...shared, limit: PAGE };
  const { object, relation, subject } = question;
  return { kind: "check", checks: [{ object, relation, subject }], ...shared };
}

/** All pages, proven and decided again; the names sorted. */
function proven(vault: Vault, question: DecisionQuestion): boolean | string[] {
  const names: string[] = [];
  let page: DecisionQuestion | undefined = question;
  while (page !== undefined) {
    const { answer } = replayed(vault, prove(vault.state, page, vault.reader));
    if (answer.kind === "check") return answer.allowed[0]!;
    names.push(...namesIn(answer));
    page = answer.next && behind(page, answer.next);
  }
  return [...new Set(names)].sort();
}

function behind(question: DecisionQuestion, cursor: Uint8Array): DecisionQuestion {
  return question.kind === "check" ? question : { ...question, cursor };
}

function namesIn(answer: Exclude<DecisionAnswer, { kind: "check" }>): readonly string[] {
  return answer.kind === "list_objects" ? answer.objects : answer.users;
}

function replayed({ state, models }: Vault, sent: ProvenDecision<DecisionQuestion>) {
  return verify(state, sent, { models });
}

/** Does a client take it? */
function isTaken(vault: Vault, sent: ProvenDecision<DecisionQuestion>): boolean {
  try {
    replayed(vault, sent);
    return true;
  } catch (error) {
    const { code } = LedgerError.from(error);
    if (code === "PROOF_INVALID" || code === "PROOF_INSUFFICIENT") return false;
    throw error;
  }
}

describe("public suites, proven", () => {
  const cases = [...conformanceCases()].filter(({ expected }) => !isError(expected));

  test("INV-DECISION-6: each answer of the suites is proven, allowed, denied or a list, and decided again to the same", () => {
    const wrong: string[] = [];
    for (const each of cases) {
      const found = proven(vaultOf(each), questionOf(each));
      if (JSON.stringify(found) !== JSON.stringify(each.expected)) wrong.push(each.title);
    }
    expect(wrong).toEqual([]);
  });

  test("INV-DECISION-6: no other answer than that of the suite is taken, and none without some of its evidence", () => {
    const random = testRandom("suites, changed");
    const taken: string[] = [];
    for (const each of cases) {
      const vault = vaultOf(each);
      const sent = prove(vault.state, questionOf(each), vault.reader);
      if (isTaken(vault, { ...sent, answer: another(sent.answer) })) taken.push(each.title);
      const { gets, lists } = sent.asked;
      const at = random.int(gets.length + lists.length);
      const less = {
        gets: gets.filter((_, i) => i !== at),
        lists: lists.filter((_, i) => i + gets.length !== at),
      };
      const poorer = { ...sent, stateProof: vault.state.prove(less) };
      if (isTaken(vault, { ...poorer, answer: another(sent.answer) })) taken.push(each.title);
    }
    expect(taken).toEqual([]);
  });

  test("INV-DECISION-3: tuples that come with the question need no proof, and what is stored is proven absent", () => {
    const wrong: string[] = [];
    for (const each of cases.filter((_, i) => i % 5 === 0)) {
      // Stored tuples of earlier stages may be none of this stage's model; they count for nothing.
      const stored = each.stored.filter((tuple) => isAllowed(each, tuple));
      const given = new Map(
        [...stored, ...each.contextualTuples].map((tuple) => [JSON.stringify(keyOf(tuple)), tuple]),
      );
      const empty = vaultOf({ ...each, stored: emptyOf(each) });
      const question = { ...questionOf(each), contextualTuples: [...given.values()] };
      const found = proven(empty, question);
      if (JSON.stringify(found) !== JSON.stringify(each.expected)) wrong.push(each.title);
    }
    expect(wrong).toEqual([]);
  });
});

function isAllowed({ model }: ConformanceCase, tuple: RelationTuple): boolean {
  try {
    validateAgainstModel(model, tuple);
    return true;
  } catch (error) {
    if (LedgerError.from(error).code === "INVALID_TUPLE") return false;
    throw error;
  }
}

const empties = new WeakMap<object, readonly RelationTuple[]>();

/** No tuples, the same none for each case of a model. */
function emptyOf({ model }: ConformanceCase): readonly RelationTuple[] {
  const none = empties.get(model) ?? [];
  empties.set(model, none);
  return none;
}

function isError(expected: ConformanceCase["expected"]): boolean {
  return typeof expected === "object" && "errorCode" in expected;
}

/** A lie. */
function another(answer: DecisionAnswer): never {
  if (answer.kind === "check")
    return { ...answer, allowed: answer.allowed.map((x) => !x) } as never;
  const names = namesIn(answer);
  const changed = names.length > 0 ? names.slice(1) : ["user:nobody"];
  const key = answer.kind === "list_objects" ? "objects" : "users";
  return { ...answer, [key]: changed } as never;
}
