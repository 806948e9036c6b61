/** Decisions over real tries: allowed and denied, with every way to lie about them that a server has. */
import { tupleKey } from "@authledger/proof";
import { LedgerError } from "@authledger/types";
import { describe, expect, test } from "vitest";
import { thrownBy } from "../../../../test/support.js";
import {
  type ChecksQuestion,
  type DecisionQuestion,
  encodeActiveModel,
  formatDecisionFile,
  ModelCache,
  type ObjectsQuestion,
  parseDecisionFile,
} from "../../src/index.js";
import { parseOpenFga } from "../../src/language/index.js";
import { type CommittedState, NOW_MS } from "../support/committed-state.js";
import {
  activate,
  flipped,
  type ProvenDecision,
  prove,
  stateWith,
  verify,
} from "../support/proven-decision.js";

const DOCUMENTS = parseOpenFga(`
model
  schema 1.1
type user
type group
  relations
    define member: [user, user:*, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define blocked: [user, group#member]
    define editor: [user, group#member, user with in_office]
    define viewer: [user] or editor or viewer from parent
    define reader: viewer but not blocked
condition in_office(place: string, office: string) {
  place == office
}
`);

const tuple = (object: string, relation: string, subject: string) => ({
  object,
  relation,
  subject,
});
const OFFICE = { name: "in_office", context: { office: "zurich" } };

/** Enough of each for every construct to decide, and noise around it. */
const TUPLES = [
  tuple("group:eng", "member", "user:anne"),
  tuple("group:eng", "member", "group:core#member"),
  tuple("group:core", "member", "user:carl"),
  tuple("group:core", "member", "group:eng#member"),
  tuple("group:all", "member", "user:*"),
  tuple("folder:root", "viewer", "group:eng#member"),
  tuple("folder:sub", "parent", "folder:root"),
  tuple("document:plan", "parent", "folder:sub"),
  tuple("document:plan", "blocked", "user:carl"),
  { ...tuple("document:plan", "editor", "user:dora"), condition: OFFICE },
  { ...tuple("document:plan", "viewer", "user:emil"), expiresAtMs: NOW_MS },
  { ...tuple("document:plan", "viewer", "user:fred"), expiresAtMs: NOW_MS + 1 },
  tuple("document:memo", "viewer", "user:anne"),
  tuple("document:open", "viewer", "user:anne"),
  ...Array.from({ length: 60 }, (_, i) => tuple(`group:g${i}`, "member", `user:u${i % 7}`)),
  ...Array.from({ length: 12 }, (_, i) => tuple("group:eng", "member", `group:g${i}#member`)),
  ...Array.from({ length: 9 }, (_, i) => tuple(`document:d${i}`, "viewer", "user:anne")),
];

const asks = (object: string, relation: string, subject: string): ChecksQuestion => ({
  kind: "check",
  checks: [tuple(object, relation, subject)],
  context: { place: "zurich" },
});

const CHECKS: readonly (readonly [string, string, string, boolean])[] = [
  ["document:memo", "viewer", "user:anne", true],
  ["document:plan", "viewer", "user:anne", true],
  ["document:plan", "viewer", "user:carl", true],
  ["document:plan", "reader", "user:carl", false],
  ["document:plan", "reader", "user:anne", true],
  ["document:plan", "viewer", "user:dora", true],
  ["document:plan", "viewer", "user:emil", false],
  ["document:plan", "viewer", "user:fred", true],
  ["document:plan", "viewer", "user:nobody", false],
  ["document:none", "viewer", "user:anne", false],
  ["group:all", "member", "user:nobody", true],
  ["folder:sub", "viewer", "group:eng#member", true],
  ["folder:sub", "viewer", "group:all#member", false],
];

const allowedBy = (sent: ProvenDecision<ChecksQuestion>): readonly boolean[] => sent.answer.allowed;

describe("proven decisions", () => {
  const state = stateWith(DOCUMENTS, TUPLES);

  test.each(CHECKS)(
    "INV-DECISION-6: %s#%s@%s is proven to be %s",
    (object, relation, subject, expected) => {
      const sent = prove(state, asks(object, relation, subject));
      expect(allowedBy(sent)).toEqual([expected]);
      const { answer, modelVersion } = verify(state, sent);
      expect(answer).toEqual({ kind: "check", allowed: [expected] });
      expect(modelVersion).toBe(3);
      const lie = { ...sent, answer: { kind: "check" as const, allowed: [!expected] } };
      expect(thrownBy(() => verify(state, lie)).details).toMatchObject({ reason: "decision" });
    },
  );

  test("many checks share one proof, and each answer is its own", () => {
    const checks = CHECKS.map(([object, relation, subject]) => tuple(object, relation, subject));
    const sent = prove(state, { kind: "check", checks, context: { place: "zurich" } });
    const expected = CHECKS.map(([, , , allowed]) => allowed);
    expect(verify(state, sent).answer.allowed).toEqual(expected);
    for (const [i] of CHECKS.entries()) {
      const allowed = expected.map((each, at) => (at === i ? !each : each));
      const lie = { ...sent, answer: { kind: "check" as const, allowed } };
      expect(thrownBy(() => verify(state, lie)).code).toBe("PROOF_INVALID");
    }
  });

  test("INV-DECISION-3: proofs of other questions never answer one: they say the same, or that they do not suffice", () => {
    const all = CHECKS.map(([object, relation, subject]) =>
      prove(state, asks(object, relation, subject)),
    );
    for (const own of all) {
      const expected = own.answer.allowed[0]!;
      for (const { stateProof, tupleValues } of all) {
        expect(outcome(state, { ...own, stateProof, tupleValues })).toBeOneOf([
          expected,
          "refused",
        ]);
        const flip = { kind: "check" as const, allowed: [!expected] };
        expect(outcome(state, { ...own, stateProof, tupleValues, answer: flip })).toBe("refused");
      }
    }
  });

  test("INV-DECISION-3: without any one piece of evidence an answer is the same, or refused, and most pieces are needed", () => {
    let refused = 0;
    for (const [object, relation, subject, expected] of CHECKS) {
      const sent = prove(state, asks(object, relation, subject));
      for (const [i] of sent.asked.gets.entries()) {
        const gets = sent.asked.gets.filter((_, at) => at !== i);
        const stateProof = state.prove({ ...sent.asked, gets });
        const found = outcome(state, { ...sent, stateProof });
        expect(found).toBeOneOf([expected, "refused"]);
        if (found === "refused") refused++;
      }
      for (const [i] of sent.asked.lists.entries()) {
        const lists = sent.asked.lists.filter((_, at) => at !== i);
        const found = outcome(state, {
          ...sent,
          stateProof: state.prove({ ...sent.asked, lists }),
        });
        expect(found).toBeOneOf([expected, "refused"]);
        if (found === "refused") refused++;
      }
    }
    expect(refused).toBeGreaterThan(CHECKS.length * 2);
  });

  test("INV-DECISION-3: a condition is read from a value that its record commits to, and from no other", () => {
    const sent = prove(state, asks("document:plan", "viewer", "user:dora"));
    expect(sent.tupleValues).toHaveLength(1);
    const [value] = sent.tupleValues;
    expect(thrownBy(() => verify(state, { ...sent, tupleValues: [] })).code).toBe(
      "PROOF_INSUFFICIENT",
    );
    for (let at = 0; at < value!.length; at++) {
      const changed = { ...sent, tupleValues: [flipped(value!, at)] };
      expect(thrownBy(() => verify(state, changed)).code).toBe("PROOF_INSUFFICIENT");
    }
    expect(
      thrownBy(() => verify(state, { ...sent, tupleValues: [value!.slice(0, 9)] })).details,
    ).toMatchObject({ reason: "value" });
    const elsewhere = { ...sent, question: { ...sent.question, context: { place: "bern" } } };
    expect(outcome(state, elsewhere)).toBe("refused");
  });

  test("INV-DECISION-5: the model is the active one, and its body is the committed one", () => {
    const sent = prove(state, asks("document:plan", "reader", "user:anne"));
    const lax = parseOpenFga(`
model
  schema 1.1
type user
type document
  relations
    define reader: [user]
`);
    const other = stateWith(lax, TUPLES);
    const { modelBody, activeModel } = prove(other, asks("document:plan", "reader", "user:anne"));
    expect(thrownBy(() => verify(state, { ...sent, modelBody })).details).toMatchObject({
      reason: "value",
    });
    expect(thrownBy(() => verify(state, { ...sent, activeModel })).details).toMatchObject({
      reason: "value",
    });
    const none = new Uint8Array(0);
    expect(thrownBy(() => verify(state, { ...sent, modelBody: none })).code).toBe(
      "PROOF_INSUFFICIENT",
    );
    expect(thrownBy(() => verify(state, { ...sent, activeModel: none })).code).toBe(
      "PROOF_INVALID",
    );
    for (const at of [0, 15, 16, 40, sent.modelBody.length - 1]) {
      const changed = { ...sent, modelBody: flipped(sent.modelBody, at) };
      expect(thrownBy(() => verify(state, changed)).code).toBe("PROOF_INVALID");
    }
  });

  test("INV-DECISION-5: an active record that names another body than the stored one is refused", () => {
    const lying = stateWith(undefined, TUPLES);
    activate(lying, 3, DOCUMENTS);
    const good = prove(lying, asks("document:memo", "viewer", "user:anne"));
    const hash = "ab".repeat(32);
    const second = stateWith(undefined, TUPLES);
    activate(second, 3, DOCUMENTS, hash);
    const sent = prove(second, good.question);
    expect(thrownBy(() => verify(second, sent)).details).toMatchObject({ reason: "model" });
  });

  test("a verifier that keeps the model needs no body, and takes none for another", () => {
    const models = new ModelCache();
    const sent = prove(state, asks("document:plan", "reader", "user:anne"));
    expect(models.newest).toBeUndefined();
    const { modelHash } = verify(state, sent, { models });
    expect(models.newest).toBe(modelHash);
    const bodyless = { ...sent, modelBody: new Uint8Array(0) };
    expect(verify(state, bodyless, { models }).answer.allowed).toEqual([true]);
    const few = new ModelCache(1);
    verify(state, sent, { models: few });
    const changed = { ...DOCUMENTS, schema: "1.2" as const };
    verify(stateWith(changed, TUPLES), prove(stateWith(changed, TUPLES), sent.question), {
      models: few,
    });
    expect(thrownBy(() => verify(state, bodyless, { models: few })).code).toBe(
      "PROOF_INSUFFICIENT",
    );
  });

  test("what has expired at the time of the answer is absent, and not before", () => {
    const question = asks("document:plan", "viewer", "user:fred");
    const sent = prove(state, question);
    expect(verify(state, sent, { timeMs: BigInt(NOW_MS) }).answer.allowed).toEqual([true]);
    // Later the direct tuple no longer answers, and the rest was never read.
    const later = { timeMs: BigInt(NOW_MS + 1) };
    expect(thrownBy(() => verify(state, sent, later)).code).toBe("PROOF_INSUFFICIENT");
  });

  test("contextual tuples are part of the question: they are replayed, never proven", () => {
    const contextualTuples = [tuple("document:none", "viewer", "user:gina")];
    const question = { ...asks("document:none", "viewer", "user:gina"), contextualTuples };
    const sent = prove(state, question);
    expect(verify(state, sent).answer.allowed).toEqual([true]);
    const { contextualTuples: _, ...bare } = question;
    expect(outcome(state, { ...sent, question: bare })).toBe("refused");
  });
});

describe("vaults without a model", () => {
  const bare = stateWith(undefined, TUPLES);

  test("a check is answered by the stored tuple alone, present or absent", () => {
    for (const [subject, expected] of [
      ["user:anne", true],
      ["user:zoe", false],
    ] as const) {
      const sent = prove(bare, asks("document:memo", "viewer", subject));
      const { answer, modelVersion } = verify(bare, sent);
      expect([answer.allowed, modelVersion]).toEqual([[expected], 0]);
      expect(sent.asked.gets.at(-1)).toEqual(
        tupleKey({ resource: "document:memo", relation: "viewer", subject }),
      );
    }
  });

  test("INV-DECISION-5: that there is none must be proven; it may also have been given up", () => {
    const sent = prove(bare, asks("document:memo", "viewer", "user:anne"));
    const unproven = {
      ...sent,
      stateProof: bare.prove({ ...sent.asked, gets: sent.asked.gets.slice(1) }),
    };
    expect(thrownBy(() => verify(bare, unproven)).code).toBe("PROOF_INSUFFICIENT");
    const left = stateWith(undefined, TUPLES);
    left.setRecord(
      "ledger",
      "model",
      "",
      encodeActiveModel({ version: 0, hash: "", activatedAtMs: 5, before: [3] }),
    );
    expect(verify(left, prove(left, sent.question)).modelVersion).toBe(0);
  });

  test("lists have no answer", () => {
    const question: ObjectsQuestion = {
      kind: "list_objects",
      type: "document",
      relation: "viewer",
      subject: "user:anne",
      limit: 10,
    };
    expect(thrownBy(() => prove(bare, question)).code).toBe("NO_ACTIVE_MODEL");
  });
});

describe("files of decisions", () => {
  const state = stateWith(DOCUMENTS, TUPLES);

  test("what is written is read, and verifies", () => {
    const contextualTuples = [
      { ...tuple("document:none", "editor", "user:gina"), condition: OFFICE },
    ];
    const questions: DecisionQuestion[] = [
      { ...asks("document:none", "viewer", "user:gina"), contextualTuples },
      {
        kind: "list_objects",
        type: "document",
        relation: "viewer",
        subject: "user:anne",
        limit: 2,
        context: {},
      },
      { kind: "list_users", object: "group:eng", relation: "member", filters: ["user"], limit: 50 },
    ];
    for (const question of questions) {
      const sent = prove(state, question);
      const file = parseDecisionFile(formatDecisionFile(sent));
      expect(file.question).toEqual(question);
      expect(verify(state, { ...sent, ...file, answer: file.answer as never }).answer).toEqual(
        sent.answer,
      );
    }
  });

  test("a file that is none is refused with the field", () => {
    const text = formatDecisionFile(prove(state, asks("document:memo", "viewer", "user:anne")));
    const fields = JSON.parse(text) as Record<string, unknown>;
    const refusal = (changes: Record<string, unknown>): LedgerError =>
      thrownBy(() => parseDecisionFile(JSON.stringify({ ...fields, ...changes })));
    expect(refusal({ format: 2 }).message).toContain("format");
    expect(refusal({ model_body: "?" }).message).toContain("model_body");
    expect(refusal({ judged_at_ms: "1" }).message).toContain("judged_at_ms");
    expect(refusal({ question: { kind: "who" } }).message).toContain("question");
    expect(refusal({ question: { kind: "check", checks: [{}] } }).message).toContain(
      "checks.object",
    );
    expect(refusal({ answer: { allowed: ["yes"] } }).details).toMatchObject({ reason: "file" });
    expect(thrownBy(() => parseDecisionFile("{")).code).toBe("PROOF_INVALID");
  });
});

/** One client asks all, and keeps the model. */
const client = new ModelCache();

/** What a client makes of it: a decision, or that it was refused. */
function outcome(state: CommittedState, sent: ProvenDecision<ChecksQuestion>): boolean | "refused" {
  try {
    return verify(state, sent, { models: client }).answer.allowed[0]!;
  } catch (error) {
    const { code } = LedgerError.from(error);
    if (code === "PROOF_INVALID" || code === "PROOF_INSUFFICIENT") return "refused";
    throw error;
  }
}
