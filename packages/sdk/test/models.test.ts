/** Models and decisions over a node in this process, through client, wire and server. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger, parseNodeConfig, type RunningNode, startNode } from "@authledger/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rejectedBy } from "../../../test/support.js";
import {
  atHeight,
  createClient,
  createTuple,
  deleteTuple,
  type LedgerClient,
} from "../src/index.js";

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

const directory = mkdtempSync(join(tmpdir(), "authledger-models-"));
let node: RunningNode;
let organization = 0n;

beforeAll(async () => {
  const loopback = { listen: "127.0.0.1:0", http: "127.0.0.1:0", cache: "16MiB" };
  node = await startNode(parseNodeConfig({ ...loopback, data: directory }), {
    version: "0.0.0-test",
    logger: createLogger("silent", () => undefined),
    onFatal: (error) => {
      throw error;
    },
  });
  const { admin } = createClient({ endpoints: node.grpcAddress });
  ({ slug: organization } = await admin.createOrganization("models"));
});

afterAll(async () => {
  await node.close();
  rmSync(directory, { recursive: true, force: true });
});

/** A client of a new vault. */
async function newClient(): Promise<LedgerClient> {
  const endpoints = node.grpcAddress;
  const { admin } = createClient({ endpoints });
  const { slug: vault } = await admin.createVault({ organization, name: "main" });
  return createClient({ endpoints, tenant: { organization, vault } });
}

async function withModel(): Promise<LedgerClient> {
  const client = await newClient();
  await client.models.deploy(MODEL, { activate: true });
  return client;
}

describe("models", () => {
  it("are validated with line and column, and nothing is stored", async () => {
    const { models } = await newClient();
    const wrong = MODEL.replace("group#member,", "team#member,");
    const { problems, model } = await models.validate(wrong);
    expect(problems).toContainEqual(
      expect.objectContaining({ line: 10, message: expect.stringContaining("team") }),
    );
    expect(model).toBeUndefined();
    expect((await models.validate(MODEL)).model).toMatchObject({ version: 0n, types: 3 });
    const refused = await rejectedBy(models.deploy(wrong));
    expect(refused).toMatchObject({ code: "MODEL_INVALID", details: { line: 10 } });
    expect(await models.list().collect()).toEqual([]);
  });

  it("are deployed, activated, listed, compared and rolled back", async () => {
    const { models } = await newClient();
    const first = await models.deploy(MODEL, { activate: true, reason: "first" });
    expect(first).toMatchObject({ existed: false, model: { version: 1n, active: true } });
    const second = await models.deploy(STRICTER);
    expect(second.model).toMatchObject({ version: 2n, active: false });
    expect((await models.list().collect()).map(({ version }) => version)).toEqual([2n, 1n]);
    const diff = await models.diff(2);
    expect(diff.fromVersion).toBe(1n);
    expect(diff.changes).toEqual([
      expect.objectContaining({ subject: "document#viewer", breaking: true }),
    ]);
    expect((await models.diff(MODEL, { from: 2 })).changes).toHaveLength(1);
    expect(await models.activate(2)).toMatchObject({ previousVersion: 1n });
    expect((await models.active()).source.files[0]!.text).toBe(STRICTER);
    const back = await models.rollback();
    expect(back.model).toMatchObject({ version: 1n });
    expect((await models.get(2)).definition.types["document"]).toBeDefined();
    expect((await models.activate(0)).model).toBeUndefined();
    expect((await rejectedBy(models.active())).code).toBe("NO_ACTIVE_MODEL");
  });

  it("are tried before they are deployed: whose answers would change, and why", async () => {
    const client = await withModel();
    await client.write([
      createTuple("document:1#editor@user:ed"),
      createTuple("group:g#member@user:mel"),
    ]);
    const assertions = [{ tuple: "document:9#viewer@user:x", expected: false }];
    const narrowed = STRICTER.replace("define member: [user]", "define member: [group]");
    const tried = await client.models.deploy(narrowed, { dryRun: true, assertions });
    expect(tried).toMatchObject({ existed: false, model: { version: 0n } });
    expect(tried.answersCompared).toBeGreaterThan(3);
    const changed = tried.changedAnswers.map(({ tuple, before, after }) => ({
      ...tuple,
      before,
      after,
    }));
    expect(changed).toContainEqual({
      ...{ resource: "document:1", relation: "viewer", subject: "user:ed" },
      ...{ before: true, after: false },
    });
    expect(tried.unallowedTuples).toEqual([
      { resource: "group:g", relation: "member", subject: "user:mel" },
    ]);
    expect(tried.diff?.changes.some(({ breaking }) => breaking)).toBe(true);
    expect(await client.models.list().collect()).toHaveLength(1);
  });

  it("that change what is inherited show it when they are tried: for whoever has it through a parent", async () => {
    const client = await newClient();
    const folders = `model
  schema 1.1
type user
type folder
  relations
    define owner: [user]
    define viewer: [user] or owner
type doc
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user]
    define can_read: viewer or owner or viewer from parent
`;
    await client.models.deploy(folders, { activate: true });
    await client.write([
      createTuple("folder:a#owner@user:anne"),
      createTuple("doc:x#parent@folder:a"),
      createTuple("doc:x#owner@user:bob"),
    ]);
    const owners = folders.replace("viewer or owner or viewer from parent", "owner");
    const { changedAnswers } = await client.models.deploy(owners, { dryRun: true });
    expect(changedAnswers).toEqual([
      expect.objectContaining({
        tuple: { resource: "doc:x", relation: "can_read", subject: "user:anne" },
        before: true,
        after: false,
      }),
    ]);
  });

  it("with names that no tuple can have are refused, with their place", async () => {
    const { models } = await newClient();
    const dashed = MODEL.replaceAll("editor", "can-edit");
    const refused = await rejectedBy(models.deploy(dashed));
    expect(refused).toMatchObject({
      ...{ code: "MODEL_INVALID", details: { kind: "invalid-name", line: 9, column: 12 } },
      message: expect.stringMatching(/`can-edit` of `document`.*letters, digits or "_"/),
    });
    expect((await rejectedBy(models.deploy(dashed, { dryRun: true }))).code).toBe("MODEL_INVALID");
    expect((await models.validate(dashed)).problems).toMatchObject([{ line: 9, column: 12 }]);
    expect(await models.list().collect()).toEqual([]);
  });

  it("keep assertions, which an activation enforces", async () => {
    const client = await withModel();
    await client.write([createTuple("document:1#editor@user:ed")]);
    const assertions = [
      { tuple: "document:1#viewer@user:ed", expected: true },
      {
        tuple: "document:2#viewer@user:ed",
        expected: true,
        contextualTuples: [
          { tuple: "document:2#viewer@user:ed", condition: { name: "early", context: {} } },
        ],
        context: { hour: 3 },
      },
    ];
    await client.models.setAssertions(1, assertions);
    const stored = await client.models.assertions(1);
    expect(stored.assertions).toHaveLength(2);
    expect(stored.assertions[1]).toMatchObject({ expected: true, context: { hour: 3 } });
    const deploy = client.models.deploy(STRICTER, { activate: true, assertions });
    const refused = await rejectedBy(deploy);
    expect(refused).toMatchObject({ code: "MODEL_ASSERTION_FAILED", details: { failed: 1 } });
    expect((await client.models.active()).model.version).toBe(1n);
  });

  it("in SpiceDB's language, in JSON and in modules are models like any other", async () => {
    const { models } = await newClient();
    const spicedb = "definition user {}\ndefinition doc {\n relation r: user\n permission p = r\n}";
    const stored = await models.deploy({
      language: "spicedb",
      files: [{ name: "", text: spicedb }],
    });
    expect(stored.model).toMatchObject({ language: "spicedb", types: 2 });
    const modular = await models.deploy({
      files: [
        { name: "fga.mod", text: 'schema: "1.2"\ncontents:\n  - core.fga\n' },
        { name: "core.fga", text: "module core\ntype user\n" },
      ],
    });
    expect(modular.model).toMatchObject({ language: "openfga", schema: "1.2" });
    expect((await models.get(modular.model.version)).source.files).toHaveLength(2);
  });
});

describe("decisions", () => {
  it("are made one by one and many at once, now and at a height", async () => {
    const client = await withModel();
    const { height } = await client.write([
      createTuple("document:1#editor@user:ed"),
      createTuple("document:1#viewer@group:g#member"),
      createTuple("group:g#member@user:mel"),
    ]);
    for (let i = 0; i < 3; i++) {
      const ed = await client.check("document:1#viewer@user:ed");
      expect(ed).toMatchObject({ allowed: true, height, modelVersion: 1n });
      expect(ed.cost).toBeGreaterThan(0n);
    }
    const tuples = ["ed", "mel", "eve"].map((name) => `document:1#viewer@user:${name}`);
    expect((await client.checkMany(tuples)).allowed).toEqual([true, true, false]);
    await client.write([deleteTuple("group:g#member@user:mel")]);
    expect((await client.check(tuples[1]!)).allowed).toBe(false);
    const then = await client.check(tuples[1]!, { consistency: atHeight(height) });
    expect(then).toMatchObject({ allowed: true, height });
  });

  it("read conditions, contexts and tuples that come with the question", async () => {
    const client = await withModel();
    const tuple = "document:1#viewer@user:a";
    const condition = { name: "early", context: {} };
    await client.write([createTuple(tuple, { condition })]);
    const [stored] = await client.list({ resource: "document:1" }).collect();
    expect(stored).toMatchObject({ condition });
    expect((await client.check(tuple, { context: { hour: 8 } })).allowed).toBe(true);
    expect((await client.check(tuple, { context: { hour: 9 } })).allowed).toBe(false);
    expect((await rejectedBy(client.check(tuple))).code).toBe("CONDITION_FAILED");
    const contextualTuples = ["document:2#editor@user:b"];
    const brought = await client.check("document:2#viewer@user:b", { contextualTuples });
    expect(brought.allowed).toBe(true);
    const wrong = client.write([createTuple("document:1#editor@user:a", { condition })]);
    expect((await rejectedBy(wrong)).code).toBe("INVALID_TUPLE");
  });

  it("are listed page by page, and say when nothing is missing", async () => {
    const client = await withModel();
    const documents = Array.from({ length: 25 }, (_, i) => `document:${i}`);
    await client.write(
      documents.map((document, i) =>
        createTuple(`${document}#${i % 2 === 0 ? "editor" : "viewer"}@user:ed`),
      ),
    );
    const question = { type: "document", relation: "viewer", subject: "user:ed" };
    const list = client.listObjects(question, { pageSize: 4 });
    expect([...(await list.collect())].sort()).toEqual([...documents].sort());
    expect(list.complete).toBe(true);
    const some = client.listObjects(question, { pageSize: 4 });
    expect(await some.toArray({ limit: 3 })).toHaveLength(3);
    expect(some.complete).toBe(false);
    const users = { resource: "document:0", relation: "viewer", filters: ["user"] };
    expect(await client.listUsers(users).collect()).toEqual(["user:ed"]);
    const about = { resource: "document:0", subject: "user:ed" };
    const { relations } = await client.listRelations(about);
    expect([...relations].sort()).toEqual(["editor", "viewer"]);
  });

  it("are explained and expanded", async () => {
    const client = await withModel();
    const { height } = await client.write([createTuple("document:1#editor@user:ed")]);
    const why = await client.explain("document:1#viewer@user:ed");
    expect(why).toMatchObject({ allowed: true, height, truncated: false });
    const steps = (step: typeof why.explanation): readonly (typeof step)[] => [
      step,
      ...step.children.flatMap(steps),
    ];
    const deciding = steps(why.explanation).flatMap(({ tuples }) => tuples);
    expect(deciding).toContainEqual(
      expect.objectContaining({ tuple: expect.objectContaining({ relation: "editor" }) }),
    );
    expect(deciding.map(({ version }) => version)).toContain(height);
    const denied = await client.explain("document:1#viewer@user:eve");
    expect(denied.allowed).toBe(false);
    const { tree } = await client.expand({ resource: "document:1", relation: "viewer" });
    expect(tree.kind).toBe("union");
  });

  it("without a model are stored tuples, and lists need one", async () => {
    const client = await newClient();
    await client.write([createTuple("any:1#thing@some:body")]);
    const answer = await client.check("any:1#thing@some:body");
    expect(answer).toMatchObject({ allowed: true, modelVersion: 0n });
    const question = { type: "any", relation: "thing", subject: "some:body" };
    const refused = await rejectedBy(client.listObjects(question).collect());
    expect(refused.code).toBe("NO_ACTIVE_MODEL");
  });

  it("are refused by name where the question is wrong", async () => {
    const client = await withModel();
    const cases = [
      ["folder:1#viewer@user:a", {}, "TYPE_NOT_FOUND"],
      ["document:1#owner@user:a", {}, "RELATION_NOT_FOUND"],
      ["document:1#viewer@user:a", { contextualTuples: ["x:1#y@z:1"] }, "INVALID_TUPLE"],
    ] as const;
    for (const [tuple, options, code] of cases) {
      expect((await rejectedBy(client.check(tuple, options))).code, tuple).toBe(code);
    }
  });
});
