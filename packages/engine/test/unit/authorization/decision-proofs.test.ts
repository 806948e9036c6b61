/** What the engine sends of a decision, over a state in memory: the same that a client needs to decide again. */
import {
  type ChecksQuestion,
  type DecisionQuestion,
  ModelCache,
  type ObjectsQuestion,
  type RelationTuple,
  verifyDecision,
} from "@authledger/authz";
import { parseOpenFga } from "@authledger/authz/language";
import {
  decodeRecord,
  encodeStateProof,
  nobleHasher as hasher,
  isLive,
  type LedgerKey,
} from "@authledger/proof";
import type { LeafCursor, StateView } from "@authledger/state";
import { compareBytes, fromHex } from "@authledger/types";
import { describe, expect, test } from "vitest";
import {
  CommittedReader,
  type CommittedState,
  NOW_MS,
} from "../../../../authz/test/support/committed-state.js";
import { bodyHash, modelOf, stateWith } from "../../../../authz/test/support/proven-decision.js";
import type { DecidingModel } from "../../../src/authorization/active-models.js";
import { decideProvably } from "../../../src/authorization/decision-proofs.js";
import { StateTupleReader } from "../../../src/authorization/state-tuple-reader.js";

/** A committed state as the engine reads one. */
function viewOf(state: CommittedState): StateView {
  const { leaves } = state.trie;
  const at = (path: Uint8Array): number =>
    leaves.findIndex((leaf) => compareBytes(leaf.path, path) >= 0);
  const recordAt = (path: Uint8Array): Uint8Array | undefined => {
    const leaf = leaves[at(path)];
    return leaf !== undefined && compareBytes(leaf.path, path) === 0 ? leaf.record : undefined;
  };
  return {
    id: 1,
    height: 7,
    paths: state.paths,
    trie: state.trie,
    record: (key: LedgerKey, path = state.paths.path(key)) => {
      const bytes = recordAt(path);
      return bytes && decodeRecord(bytes);
    },
    configHash: undefined,
    hasLive: () => {
      throw new Error("decisions read fields");
    },
    live: (_, path, timeMs) => {
      const bytes = recordAt(path);
      const record = bytes && decodeRecord(bytes);
      if (record === undefined || !isLive(record, timeMs)) return undefined;
      const { version, expiresAtMs, value } = record;
      const hasValue = value !== undefined;
      return { version: Number(version), expiresAtMs: Number(expiresAtMs), hasValue };
    },
    value: (path) => {
      const bytes = recordAt(path);
      return bytes && state.value(decodeRecord(bytes).key);
    },
    leafCursor: (): LeafCursor => {
      let place = -1;
      const isThere = (): boolean => place >= 0 && place < leaves.length;
      return {
        seek: (path) => {
          place = at(path);
          return isThere();
        },
        next: () => {
          place++;
          return isThere();
        },
        get path() {
          return leaves[place]!.path;
        },
        get record() {
          return leaves[place]!.record;
        },
      };
    },
  };
}

const MODEL = parseOpenFga(`
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type document
  relations
    define viewer: [user, group#member, user with weekday]
    define blocked: [user]
    define reader: viewer but not blocked
condition weekday(day: string) {
  day != "sunday"
}
`);
const tuple = (object: string, relation: string, subject: string) => ({
  object,
  relation,
  subject,
});
const TUPLES = [
  ...Array.from({ length: 40 }, (_, i) => tuple(`document:${i}`, "viewer", "group:eng#member")),
  ...Array.from({ length: 30 }, (_, i) => tuple("group:eng", "member", `user:${i}`)),
  ...Array.from({ length: 8 }, (_, i) => tuple(`document:own${i}`, "viewer", "user:anne")),
  tuple("group:eng", "member", "group:core#member"),
  tuple("group:core", "member", "user:anne"),
  tuple("document:3", "blocked", "user:anne"),
  { ...tuple("document:x", "viewer", "user:anne"), condition: { name: "weekday", context: {} } },
  { ...tuple("document:y", "viewer", "user:anne"), expiresAtMs: NOW_MS },
];
const state = stateWith(MODEL, TUPLES);
const view = viewOf(state);
/** Compiled from the stored bytes, as everybody compiles it: the order of reads depends on it. */
const IN_FORCE: DecidingModel = { version: 3, hash: bodyHash(MODEL), compiled: modelOf(state)! };
const NONE = new Uint8Array(0);

const check = (object: string, relation: string, subject: string): ChecksQuestion => ({
  kind: "check",
  checks: [tuple(object, relation, subject)],
  context: { day: "monday" },
});
const objects = (limit: number, cursor?: Uint8Array): ObjectsQuestion => ({
  kind: "list_objects",
  type: "document",
  relation: "reader",
  subject: "user:anne",
  limit,
  context: { day: "monday" },
  ...(cursor && { cursor }),
});

const models = new ModelCache();

/** Asks the engine, and has a client decide again. */
function proven<Q extends DecisionQuestion>(question: Q, knownModel: Uint8Array = NONE) {
  const { reply, questions } = decideProvably(
    { state: view, timeMs: NOW_MS },
    IN_FORCE,
    question,
    knownModel,
  );
  const { gets = [], lists = [] } = questions();
  const stateProof = encodeStateProof(view.trie, view.paths, { gets, lists });
  const shown = { state: state.shown(stateProof), timeMs: BigInt(NOW_MS) };
  return {
    reply,
    stateProof,
    replayed: verifyDecision(shown, reply, question, { hasher, models }),
  };
}

describe("proven decisions of the engine", () => {
  test("INV-DECISION-1: tuples are read in the order of their paths, as a list of a proof gives them", () => {
    const reader = new StateTupleReader(view, NOW_MS);
    const expected = new CommittedReader(state);
    const named = (tuples: Iterable<RelationTuple>): string[] =>
      Array.from(tuples, ({ object, subject }) => `${object} ${subject}`);
    const members = named(expected.ofObject("group:eng", "member"));
    expect(named(reader.ofObject("group:eng", "member"))).toEqual(members);
    const usersets = named(reader.usersetsOf("group:eng", "member", "group"));
    expect(usersets).toEqual(["group:eng group:core#member"]);
    const all = expected.ofSubject("user:anne", "viewer", "document");
    expect(named(reader.ofSubject("user:anne", "viewer", "document"))).toEqual(named(all));
    for (const [i, { position }] of all.entries()) {
      const rest = reader.ofSubject("user:anne", "viewer", "document", position);
      expect(named(rest)).toEqual(named(all.slice(i + 1)));
    }
    expect(reader.find("document:y", "viewer", "user:anne")).toBeUndefined();
  });

  test("checks come with all that a client needs, allowed and denied", () => {
    const cases = [
      ["document:1", "reader", "user:anne", true],
      ["document:3", "reader", "user:anne", false],
      ["document:1", "reader", "user:zoe", false],
      ["document:x", "reader", "user:anne", true],
      ["document:y", "viewer", "user:anne", false],
    ] as const;
    for (const [object, relation, subject, expected] of cases) {
      const { reply, replayed } = proven(check(object, relation, subject));
      expect(replayed.answer).toEqual({ kind: "check", allowed: [expected] });
      expect([reply.modelVersion, reply.height, reply.tupleValues.length]).toEqual([
        3,
        7,
        object === "document:x" ? 1 : 0,
      ]);
    }
  });

  test("a model that the client knows is not sent again", () => {
    const first = proven(check("document:1", "reader", "user:anne"));
    expect(first.reply.modelBody.length).toBeGreaterThan(200);
    const again = proven(
      check("document:1", "reader", "user:anne"),
      fromHex(first.replayed.modelHash),
    );
    expect(again.reply.modelBody).toHaveLength(0);
  });

  test("INV-DECISION-2: pages of objects are proven one by one, with the twin of each hit", () => {
    const whole = new Set(
      TUPLES.map(({ object }) => object).filter((each) => each.startsWith("document:")),
    );
    for (const missing of ["document:3", "document:y"]) whole.delete(missing);
    const found: string[] = [];
    let cursor: Uint8Array | undefined;
    for (;;) {
      const { replayed } = proven(objects(9, cursor));
      const { answer } = replayed;
      found.push(...answer.objects);
      cursor = answer.next;
      expect(cursor === undefined).toBe(answer.complete);
      if (cursor === undefined) break;
    }
    expect(found.sort()).toEqual([...whole].sort());
  });

  test("INV-DECISION-7: users of a resource are computed from the proof", () => {
    const { replayed } = proven({
      kind: "list_users",
      object: "document:1",
      relation: "reader",
      filters: ["user"],
      limit: 100,
    });
    expect(replayed.answer.users).toHaveLength(31);
    expect(replayed.answer.complete).toBe(true);
  });

  test("a question that is asked again costs no more proof", () => {
    const checks = Array.from({ length: 1_000 }, () => tuple("document:1", "reader", "user:zoe"));
    const { stateProof } = proven({ kind: "check", checks });
    const one = proven(check("document:1", "reader", "user:zoe"));
    expect(stateProof).toEqual(one.stateProof);
  });
});
