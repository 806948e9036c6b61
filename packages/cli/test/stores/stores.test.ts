/** `model test`: what people keep beside their models, in both forms, against the evaluator. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { junitOf } from "../../src/stores/junit.js";
import { readStore } from "../../src/stores/read-store.js";
import { runStoreTests } from "../../src/stores/run-tests.js";

const FGA = `name: drive
model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user]
  type document
    relations
      define viewer: [user, user:*, group#member with in_office]
      define owner: [user]
      define can_share: owner but not viewer
  condition in_office(ip: ipaddress) {
    ip.in_cidr("10.0.0.0/8")
  }
tuples:
  - { user: "user:anne", relation: member, object: "group:eng" }
  - user: group:eng#member
    relation: viewer
    object: document:plan
    condition: { name: in_office }
tests:
  - name: by address
    tuples:
      - { user: "user:bob", relation: owner, object: "document:plan" }
    check:
      - user: user:anne
        object: document:plan
        context: { ip: "10.1.2.3" }
        assertions: { viewer: true, can_share: false }
      - users: ["user:anne", "user:bob"]
        object: document:plan
        context: { ip: "192.0.2.1" }
        assertions: { viewer: false }
    list_objects:
      - user: user:bob
        type: document
        context: { ip: "10.1.2.3" }
        assertions: { can_share: ["document:plan"], viewer: [] }
    list_users:
      - object: document:plan
        user_filter: [{ type: user }]
        context: { ip: "10.1.2.3" }
        assertions: { viewer: { users: ["user:anne"] } }
`;

const SPICEDB = `schema: |-
  definition user {}
  caveat weekday(day int) { day < 6 }
  definition group { relation member: user }
  definition document {
    relation reader: user | group#member | user with weekday
    relation writer: user
    permission view = reader + writer
  }
relationships: |-
  group:eng#member@user:anne
  document:plan#reader@group:eng#member
  document:plan#writer@user:bob
  // on working days
  document:plan#reader@user:carl[weekday]
  document:note#reader@user:dora[weekday:{"day":7}]
assertions:
  assertTrue:
    - document:plan#view@user:anne
    - 'document:plan#view@user:carl with {"day": 1}'
  assertFalse:
    - document:plan#writer@user:anne
    - document:note#view@user:dora
  assertCaveated:
    - document:plan#view@user:carl
validation:
  group:eng#member:
    - "[user:anne] is <group:eng#member>"
`;

async function storeOf(name: string, text: string): Promise<ReturnType<typeof runStoreTests>> {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, text);
  return runStoreTests(await readStore(path));
}

describe("a store", () => {
  it("of OpenFGA: checks, lists of objects and of users, each test with tuples of its own", async () => {
    const results = await storeOf("store.fga.yaml", FGA);
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
    expect(results).toHaveLength(7);
  });

  it("of SpiceDB: assertions that are true, false and caveated, and the subjects of a relation", async () => {
    const results = await storeOf("drive.zed.yaml", SPICEDB);
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
    expect(results).toHaveLength(6);
  });

  it("tells what was expected, what came and why, and JUnit has it", async () => {
    const results = await storeOf("store.fga.yaml", FGA.replace("viewer: true", "viewer: false"));
    const [failed, ...others] = results.filter(({ passed }) => !passed);
    expect(others).toEqual([]);
    expect(failed).toMatchObject({ expected: "denied", got: "allowed", test: "by address" });
    expect(failed?.explanation).toMatchObject({ outcome: "true" });
    const xml = junitOf(results);
    expect(xml).toContain('<testsuites tests="7" failures="1"');
    expect(xml).toContain('name="document:plan#viewer@user:anne"');
    expect(xml).toContain('<failure message="expected denied, got allowed"/>');
  });

  it.each([
    [
      "a field that nobody knows",
      FGA.replace("tests:", "test:"),
      /:24:3: "test" is not known here/,
    ],
    [
      "a text where true or false belongs",
      FGA.replace("viewer: true", "viewer: yes please"),
      /is expected to be true or false/,
    ],
    ["YAML that is none", `${FGA}\n  - [`, /store\.fga\.yaml:\d+:\d+: /],
    [
      "a file that is not there",
      FGA.replace(/^tuples:/m, "tuple_file: nowhere.yaml\ntuples:"),
      /cannot read .*nowhere\.yaml/,
    ],
    ["no model", "tuples: []", /has no model/],
  ])("is refused with its place for %s", async (_, text, message) => {
    await expect(storeOf("store.fga.yaml", text)).rejects.toThrow(message);
  });

  it("may have its model in modules, and tuples in files beside it", async () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "wiki"));
    const files = {
      "fga.mod": 'schema: "1.2"\ncontents:\n  - core.fga\n  - wiki/pages.fga\n',
      "core.fga": "module core\ntype user\n",
      "wiki/pages.fga": "module wiki\ntype page\n  relations\n    define reader: [user]\n",
      "tuples.yaml": "- { user: user:anne, relation: reader, object: page:1 }\n",
      "store.fga.yaml":
        "model_file: fga.mod\ntuple_files: [tuples.yaml]\ntests:\n  - name: t\n    check:\n      - { user: user:anne, object: page:1, assertions: { reader: true } }\n",
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const results = runStoreTests(await readStore(join(directory, "store.fga.yaml")));
    expect(results.map(({ passed }) => passed)).toEqual([true]);
  });

  const data = process.env["CONFORMANCE_DATA"];
  it.runIf(data !== undefined)(
    "of the sample stores keeps every assertion of its author",
    async () => {
      const root = join(data!, "sample-stores", "stores");
      const paths = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) =>
        path.endsWith(".fga.yaml"),
      );
      let count = 0;
      for (const path of paths) {
        const results = runStoreTests(await readStore(join(root, path)));
        expect(results.filter(({ passed }) => !passed)).toEqual([]);
        count += results.length;
      }
      expect(count).toBe(327 + 17 + 19);
    },
  );
  if (data === undefined)
    process.stderr.write("CONFORMANCE_DATA is not set: the sample stores are skipped\n");
});
