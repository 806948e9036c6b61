/** Models, and decisions by them. */
import { expect } from "vitest";
import { atHeight, createTuple, deleteTuple, type LedgerClient } from "../../src/index.js";
import { type Behaviour, expectRefusal } from "./behaviour.js";

const MODEL = `model
  schema 1.1
type user
type group
  relations
    define member: [user]
type document
  relations
    define editor: [user]
    define viewer: [user, user:*, group#member, user with early] or editor
condition early(hour: int) {
  hour < 9
}
`;
const STRICTER = MODEL.replace(" or editor", "");
const EARLY = { name: "early", context: {} };
const ED = "document:1#viewer@user:ed";

/** A client of a vault with a model and some tuples. */
async function withModel(client: LedgerClient): Promise<LedgerClient> {
  await client.models.deploy(MODEL, { activate: true });
  await client.write([
    createTuple("document:1#editor@user:ed"),
    createTuple("document:1#viewer@group:g#member"),
    createTuple("group:g#member@user:mel"),
    createTuple("document:2#viewer@user:ann", { condition: EARLY }),
  ]);
  return client;
}

export const models: readonly Behaviour[] = [
  {
    title: "a model is validated with its places, and refused where it is deployed",
    run: async ({ client }) => {
      const ledger = client();
      const wrong = MODEL.replace("group#member,", "team#member,");
      const { problems, model } = await ledger.models.validate(wrong);
      expect(problems).toContainEqual(expect.objectContaining({ line: 10 }));
      expect(model).toBeUndefined();
      expect((await ledger.models.validate(MODEL)).model).toMatchObject({
        ...{ version: 0n, types: 3, relations: 3, conditions: 1, language: "openfga" },
      });
      await expectRefusal(ledger.models.deploy(wrong), "MODEL_INVALID", { line: 10 });
      expect(await ledger.models.list().collect()).toEqual([]);
    },
  },
  {
    title: "models are deployed once each, activated, listed, compared and rolled back",
    run: async ({ client }) => {
      const ledger = client();
      const first = await ledger.models.deploy(MODEL, { activate: true, reason: "first" });
      expect(first).toMatchObject({
        ...{ existed: false, height: 1n },
        model: { version: 1n, active: true, deployedBy: "anonymous" },
      });
      const again = await ledger.models.deploy(MODEL, { activate: true });
      expect(again).toMatchObject({ existed: true, height: 1n, model: { version: 1n } });
      const second = await ledger.models.deploy(STRICTER);
      expect(second.model).toMatchObject({ version: 2n, active: false });
      const listed = await ledger.models.list({ pageSize: 1 }).collect();
      expect(listed.map(({ version, active }) => [version, active])).toEqual([
        [2n, false],
        [1n, true],
      ]);
      const diff = await ledger.models.diff(2);
      expect(diff).toMatchObject({ fromVersion: 1n, truncated: false });
      expect(diff.changes).toEqual([
        expect.objectContaining({ subject: "document#viewer", breaking: true }),
      ]);
      expect((await ledger.models.diff(MODEL, { from: 2 })).changes).toHaveLength(1);
      expect(await ledger.models.activate(2)).toMatchObject({ previousVersion: 1n });
      expect((await ledger.models.active()).source.files[0]?.text).toBe(STRICTER);
      const past = { consistency: atHeight(1n) };
      expect((await ledger.models.active(past)).model.version).toBe(1n);
      const back = await ledger.models.rollback();
      expect([back.model?.version, back.previousVersion]).toEqual([1n, 2n]);
      await expectRefusal(ledger.models.rollback(), "MODEL_NOT_FOUND");
      expect((await ledger.models.get(2)).definition.types["document"]).toBeDefined();
      await expectRefusal(ledger.models.get(3), "MODEL_NOT_FOUND", { version: 3 });
      expect((await ledger.models.activate(0)).model).toBeUndefined();
      await expectRefusal(ledger.models.active(), "NO_ACTIVE_MODEL");
    },
  },
  {
    title: "a model is tried before it is deployed: whose answers would change",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      const narrowed = STRICTER.replace("define member: [user]", "define member: [group]");
      const tried = await ledger.models.deploy(narrowed, { dryRun: true });
      expect(tried).toMatchObject({ existed: false, height: 2n, model: { version: 0n } });
      const changed = tried.changedAnswers.map(({ tuple, before, after }) => [
        `${tuple.resource}#${tuple.relation}@${tuple.subject}`,
        before,
        after,
      ]);
      expect(changed).toContainEqual([ED, true, false]);
      expect(tried.unallowedTuples).toEqual([
        { resource: "group:g", relation: "member", subject: "user:mel" },
      ]);
      expect(tried.diff?.changes.some(({ breaking }) => breaking)).toBe(true);
      expect(await ledger.models.list().collect()).toHaveLength(1);
    },
  },
  {
    title: "assertions are kept with a version, and an activation enforces them",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      const given = { tuple: "document:9#viewer@user:ed", condition: EARLY };
      const assertions = [
        { tuple: ED, expected: true },
        {
          ...{ tuple: given.tuple, expected: true },
          ...{ contextualTuples: [given], context: { hour: 3 } },
        },
      ];
      await ledger.models.setAssertions(1, assertions);
      const stored = await ledger.models.assertions(1);
      expect(stored.assertions).toMatchObject([
        { expected: true },
        { context: { hour: 3 }, contextualTuples: [{ condition: EARLY }] },
      ]);
      const deploy = ledger.models.deploy(STRICTER, { activate: true, assertions });
      await expectRefusal(deploy, "MODEL_ASSERTION_FAILED", { failed: 1 });
      const wrong = ledger.models.setAssertions(1, [{ tuple: ED, expected: false }]);
      await expectRefusal(wrong, "MODEL_ASSERTION_FAILED");
      await expectRefusal(ledger.models.setAssertions(2, []), "MODEL_NOT_FOUND");
      expect((await ledger.models.active()).model).toMatchObject({ version: 1n, assertions: 2 });
    },
  },
  {
    title: "a model decides checks, one by one and many at once, now and at a height",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      expect(await ledger.check(ED)).toMatchObject({
        ...{ allowed: true, height: 2n, modelVersion: 1n },
      });
      const tuples = ["ed", "mel", "eve"].map((name) => `document:1#viewer@user:${name}`);
      expect((await ledger.checkMany(tuples)).allowed).toEqual([true, true, false]);
      await ledger.write([deleteTuple("group:g#member@user:mel")]);
      expect((await ledger.check(tuples[1]!)).allowed).toBe(false);
      const then = { consistency: atHeight(2n), unproven: true };
      expect((await ledger.check(tuples[1]!, then)).allowed).toBe(true);
      const cases = [
        ["folder:1#viewer@user:a", "TYPE_NOT_FOUND"],
        ["document:1#owner@user:a", "RELATION_NOT_FOUND"],
      ] as const;
      for (const [tuple, code] of cases) await expectRefusal(ledger.check(tuple), code);
      const many = ledger.checkMany([ED, "folder:1#viewer@user:a"]);
      await expectRefusal(many, "TYPE_NOT_FOUND", { field: "tuples[1]" });
    },
  },
  {
    title: "conditions, contexts and tuples that come with a question count",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      const tuple = "document:2#viewer@user:ann";
      expect((await ledger.check(tuple, { context: { hour: 8 } })).allowed).toBe(true);
      expect((await ledger.check(tuple, { context: { hour: 9 } })).allowed).toBe(false);
      await expectRefusal(ledger.check(tuple), "CONDITION_FAILED");
      const contextualTuples = ["document:2#editor@user:b"];
      const brought = await ledger.check("document:2#viewer@user:b", { contextualTuples });
      expect(brought.allowed).toBe(true);
    },
  },
  {
    title: "what the active model does not allow is not written",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      const cases = [
        [createTuple("folder:1#viewer@user:a"), "TYPE_NOT_FOUND"],
        [createTuple("document:1#owner@user:a"), "RELATION_NOT_FOUND"],
        [createTuple("document:1#editor@user:a", { condition: EARLY }), "INVALID_TUPLE"],
      ] as const;
      for (const [operation, code] of cases) {
        const details = { field: "operations[0]" };
        await expectRefusal(ledger.write([operation]), code, details);
      }
      expect((await ledger.getTip()).height).toBe(2n);
    },
  },
  {
    title: "resources, subjects and relations are listed, page by page at one height",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      const documents = Array.from({ length: 9 }, (_, i) => `document:${i}`);
      await ledger.write(documents.map((one) => createTuple(`${one}#editor@user:liz`)));
      const question = { type: "document", relation: "viewer", subject: "user:liz" };
      const list = ledger.listObjects(question, { pageSize: 4 });
      expect([...(await list.collect())].sort()).toEqual(documents);
      expect(list.complete).toBe(true);
      const users = { resource: "document:1", relation: "viewer", filters: ["user"] };
      const found = await ledger.listUsers(users, { pageSize: 2 }).collect();
      expect([...found].sort()).toEqual(["user:ed", "user:liz", "user:mel"]);
      const about = { resource: "document:1", subject: "user:liz" };
      const { relations } = await ledger.listRelations(about);
      expect([...relations].sort()).toEqual(["editor", "viewer"]);
    },
  },
  {
    title: "decisions are explained and expanded",
    run: async ({ client }) => {
      const ledger = await withModel(client());
      const why = await ledger.explain(ED);
      expect(why).toMatchObject({ allowed: true, height: 2n, truncated: false });
      const steps = (step: typeof why.explanation): readonly (typeof step)[] => [
        step,
        ...step.children.flatMap(steps),
      ];
      const deciding = steps(why.explanation).flatMap(({ tuples }) => tuples);
      expect(deciding).toContainEqual(
        expect.objectContaining({
          tuple: { resource: "document:1", relation: "editor", subject: "user:ed" },
          version: 2n,
        }),
      );
      expect((await ledger.explain("document:1#viewer@user:eve")).allowed).toBe(false);
      const { tree, modelVersion } = await ledger.expand({
        ...{ resource: "document:1", relation: "viewer" },
      });
      expect([tree.kind, modelVersion]).toEqual(["union", 1n]);
    },
  },
  {
    title: "lists and explanations need a model",
    run: async ({ client }) => {
      const ledger = client();
      const question = { type: "any", relation: "thing", subject: "some:body" };
      await expectRefusal(ledger.listObjects(question).collect(), "NO_ACTIVE_MODEL");
      await expectRefusal(ledger.explain(ED), "NO_ACTIVE_MODEL");
    },
  },
  {
    title: "a verifying client decides again by the proven model: checks, conditions and lists",
    run: async ({ client }) => {
      await withModel(client());
      const ledger = client({ verify: { trustOnFirstUse: true } });
      for (const [tuple, expected] of [
        [ED, true],
        ["document:1#viewer@user:mel", true],
        ["document:1#viewer@user:eve", false],
      ] as const) {
        const { allowed, verified, modelVersion } = await ledger.check(tuple);
        expect([allowed, verified?.height, modelVersion]).toEqual([expected, 2n, 1n]);
      }
      const ann = "document:2#viewer@user:ann";
      expect((await ledger.check(ann, { context: { hour: 8 } })).allowed).toBe(true);
      const question = { type: "document", relation: "viewer", subject: "user:mel" };
      expect(await ledger.listObjects(question).collect()).toEqual(["document:1"]);
      const users = { resource: "document:1", relation: "viewer", filters: ["user"] };
      const found = await ledger.listUsers(users, { pageSize: 1 }).collect();
      expect([...found].sort()).toEqual(["user:ed", "user:mel"]);
    },
  },
];
