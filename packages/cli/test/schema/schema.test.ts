/** The JSON of every command, held to its schema on a real node. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "@authledger/sdk";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { createProgram } from "../../src/cli.js";
import { leavesOf, pathOf } from "../../src/help/texts.js";
import { CommandFrame } from "../../src/run/command.js";
import { schemaOf } from "../../src/schema/shape.js";
import { SHAPES } from "../../src/schema/shapes.js";
import { cliHere, startNode } from "../e2e/processes.js";

/** A document of its own, and a file to begin with. */
const CONFIG_TEXTS = ["config example", "config schema"];
/** They print a text, a script or lines of their own, or run until they are told to stop. */
const WITHOUT_FIELDS = [
  "start",
  "help",
  "completion",
  "schema",
  "model types",
  "model format",
  "key revoke",
  "role revoke",
  "quota delete",
  ...CONFIG_TEXTS,
];
/** Started as processes elsewhere (start.test.ts, cheats.test.ts, bench.test.ts, history.test.ts). */
const ELSEWHERE = ["dev", "quickstart", "block watch", "tuple watch"];
/** They need more nodes than one (cluster.test.ts). */
const OF_CLUSTERS = ["init", "add", "promote", "remove", "transfer"].map((one) => `cluster ${one}`);

type Schema = Readonly<Record<string, unknown>>;

/** As much of JSON Schema as the schemas use; anything else in a schema is told. */
function problems(schema: Schema, value: unknown, at: string): string[] {
  const known =
    "$schema title description type properties required additionalProperties items pattern anyOf";
  const strange = Object.keys(schema).filter((key) => !known.split(" ").includes(key));
  if (strange.length > 0) return [`${at}: the schema has ${strange.join(", ")}`];
  const {
    type,
    pattern,
    items,
    properties,
    required = [],
    anyOf,
  } = schema as {
    readonly type?: string;
    readonly pattern?: string;
    readonly items?: Schema;
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly required?: readonly string[];
    readonly anyOf?: readonly Schema[];
  };
  if (anyOf !== undefined) {
    const all = anyOf.map((one) => problems(one, value, at));
    return all.some((one) => one.length === 0) ? [] : all.flat();
  }
  if (type !== undefined && !isOfType(type, value))
    return [`${at}: ${JSON.stringify(value)} is no ${type}`];
  if (pattern !== undefined && !new RegExp(pattern).test(String(value))) {
    return [`${at}: ${JSON.stringify(value)} is not ${pattern}`];
  }
  if (Array.isArray(value))
    return value.flatMap((one, i) => problems(items ?? {}, one, `${at}[${i}]`));
  if (properties === undefined) return [];
  const fields = value as Readonly<Record<string, unknown>>;
  return [
    ...required.filter((name) => !(name in fields)).map((name) => `${at}: lacks ${name}`),
    ...Object.entries(fields).flatMap(([name, field]) =>
      properties[name] === undefined
        ? [`${at}: has ${name}, which the schema does not know`]
        : problems(properties[name], field, `${at}.${name}`),
    ),
  ];
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "null") return value === null;
  if (type === "object")
    return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === type;
}

const PROGRAM = createProgram(
  new CommandFrame({
    out: async () => undefined,
    outBytes: async () => undefined,
    err: () => undefined,
    input: (async function* () {})(),
    env: {},
    isErrTerminal: false,
    signal: new AbortController().signal,
  }),
  () => undefined,
);

it("every command that prints fields has a schema, and there is none for a command that is gone", () => {
  const paths = leavesOf(PROGRAM).map(pathOf);
  const wanted = paths.filter((path) => !WITHOUT_FIELDS.includes(path)).sort();
  expect(Object.keys(SHAPES).sort()).toEqual(wanted);
});

/** One call in sixteen is counted, and fewer than 64 of them are chance. */
async function makeHot(
  endpoints: string,
  tenant: { readonly organization: string; readonly vault: string },
): Promise<void> {
  const client = createClient({ endpoints, tenant });
  for (let i = 0; i < 2_400; i++) await client.read("hot:1");
  client.close();
}

// A hundred commands: seconds on a machine of its own, a minute on one that is busy.
it("the JSON of every command is what its schema says", async () => {
  const directory = temporaryDirectory();
  const data = join(directory, "data");
  const node = await startNode(data);
  const home = { XDG_CONFIG_HOME: directory, XDG_STATE_HOME: directory };
  const base = { ...home, AUTHLEDGER_ENDPOINT: node.grpc };
  const org = (await cliHere(["org", "create", "acme", "-o", "name"], { env: base })).out.trim();
  const vault = await cliHere(["vault", "create", "main", "--org", org, "-o", "name"], {
    env: base,
  });
  const env = { ...base, AUTHLEDGER_ORG: org, AUTHLEDGER_VAULT: vault.out.trim() };
  const [proof, anchor] = [join(directory, "proof.json"), join(directory, "anchor.json")];
  const ndjson = join(directory, "tuples.ndjson");
  writeFileSync(ndjson, '{"tuple":"doc:i#viewer@user:i"}\n');
  const files = ["model.fga", "next.fga", "wrong.fga"].map((name) => join(directory, name));
  const [model, next, wrong] = files as [string, string, string];
  const text = `model
  schema 1.1
type user
type doc
  relations
    define owner: [user]
    define viewer: [user] or owner
`;
  writeFileSync(model, text);
  writeFileSync(next, text.replace(" or owner", ""));
  const store = join(directory, "store.fga.yaml");
  const check = "{ user: user:bob, object: doc:a, assertions: { viewer: false } }";
  writeFileSync(store, `model_file: ./model.fga\ntests:\n  - name: a\n    check: [${check}]\n`);
  writeFileSync(wrong, text.replace(" or owner", " or editor"));
  const [before, after] = [join(directory, "before.yaml"), join(directory, "after.yaml")];
  writeFileSync(before, "logLevel: info\n");
  writeFileSync(after, "logLevel: debug\ncache: 64MiB\n");
  const seen = new Set<string>();
  const found: string[] = [];
  const run = async (line: string, stdin = ""): Promise<string> => {
    const path =
      leavesOf(PROGRAM)
        .map(pathOf)
        .find((one) => `${line} `.startsWith(`${one} `)) ?? "";
    const { out, err } = await cliHere([...line.split(" "), "-o", "json"], { env, input: stdin });
    const shape = SHAPES[path]!;
    const texts = shape.output === "document" ? [out] : out.trimEnd().split("\n");
    expect([line, out === "" ? err : ""]).toEqual([line, ""]);
    const schema = schemaOf(path, shape);
    for (const text of texts) found.push(...problems(schema, JSON.parse(text), line));
    seen.add(path);
    return out;
  };
  for (const line of [
    "org create second",
    "key create ci",
    "key list",
    "role grant user:ann reader",
    "role list",
    "whoami",
    `org get ${org}`,
    "org list",
    "vault create second",
    "vault get",
    "vault list",
    "tuple write doc:a#viewer@user:ann doc:a#owner@user:bob --expires 2040-01-01T00:00:00Z",
    "tuple read doc:a#viewer@user:ann",
    "list --resource doc:a",
    "resource list --type doc",
    "entity set k v",
    "entity get k",
    "entity list",
    "entity delete k",
    "check doc:a#viewer@user:ann",
    "check doc:a#viewer@user:eve --trust-on-first-use",
    `model validate ${wrong}`,
    `model test ${store}`,
    `model deploy ${model} --activate --must-allow doc:a#viewer@user:bob`,
    `model deploy ${next} --dry-run`,
    `model deploy ${next}`,
    "model activate 2",
    "model rollback",
    "model get",
    "model list",
    "model diff 2",
    "model assertions 1",
    "explain doc:a#viewer@user:bob",
    "expand doc:a viewer",
    "lookup resources doc viewer user:bob",
    "lookup subjects doc:a viewer user",
    "model activate 0",
    "block show 1 --transactions",
    "tuple changes",
    "vault client nobody",
    "vault update --retention 100",
    "usage",
    "usage --all",
    "audit-log",
    "audit-log --limit 1 --prove --trust-on-first-use",
    "quota set --global --vaults 1000",
    "quota get",
    "quota list",
    "config get",
    "config get logLevel",
    "config update scrubHours=48",
    `config diff ${before} ${after}`,
    "entity erase k --yes",
    "tuple erase doc:nothing#viewer@user:a --yes",
    "tuple delete --filter resource=doc:nothing --yes",
    `org suspend ${org} --reason audit`,
    `org resume ${org}`,
    `vault delete ${vault.out.trim()} --dry-run -q`,
    `org delete ${org} --dry-run -q`,
    `import ${ndjson}`,
    `export -f ${directory}/rows.csv`,
    `export --snapshot ${directory}/backup`,
    `import --snapshot ${directory}/backup --data ${directory}/restored`,
    "tuple delete doc:a#owner@user:bob",
    "scrub",
    "compact",
    "status",
    "cluster status",
    "cluster wait-ready",
    "version",
    "version --client",
    "cheat",
    "context set one --endpoint 10.0.0.1:1 --org 7 --pins ./pins",
    "context set two --anchor a.json --use",
    "context use one",
    "context previous",
    "context list",
    "context show",
    "context delete two",
    "bench --yes --only check --duration 50ms",
  ]) {
    await run(line);
  }
  await run("config update hotKeyRate=1");
  await makeHot(node.grpc, { organization: org, vault: vault.out.trim() });
  await run("hot-keys");
  writeFileSync(
    anchor,
    JSON.stringify(
      JSON.parse((JSON.parse(await run("vault anchor")) as { anchor: string }).anchor),
    ),
  );
  writeFileSync(proof, await run("proof get doc:a#viewer@user:ann"));
  await run(`proof verify ${proof} --anchor ${anchor}`);
  // An erased value is proven by what its record says of it.
  const { height } = JSON.parse(await run("entity set gone secret")) as { height: string };
  await run("entity erase gone --yes");
  const erased = `gone --at-height ${height}`;
  expect(await run(`entity get ${erased} --anchor ${anchor}`)).toContain('"value_digest"');
  writeFileSync(proof, await run(`proof get --key ${erased}`));
  expect(await run(`proof verify ${proof} --anchor ${anchor}`)).toContain('"erased"');
  const auditor = join(directory, "audit.json");
  await run(`audit run --anchor ${anchor} --state ${auditor} --once`);
  await run(`audit status --state ${auditor}`);
  const block = join(directory, "block.json");
  for (const height of [0, 2]) {
    writeFileSync(block, await run(`block proof --height ${height}`));
    await run(`block verify ${block} --anchor ${anchor}`);
  }
  await node.end("SIGTERM");
  await run(`debug check --data ${data}`);
  await run(`debug slot --data ${data}`);
  for (const page of [0, 16, 20]) await run(`debug page ${page} --data ${data}`);
  await run(`debug page 16 --rows --data ${data}`);
  await run(`debug wal --data ${data}`);
  await run(`debug wal --entries --data ${data}`);
  await run(`debug wal --segments --data ${data}`);
  expect(found).toEqual([]);
  const missing = Object.keys(SHAPES).filter(
    (path) => !seen.has(path) && ![...ELSEWHERE, ...OF_CLUSTERS].includes(path),
  );
  expect(missing).toEqual([]);
}, 180_000);

it("authledger schema prints the schema of a command", async () => {
  const { out } = await cliHere(["schema", "tuple", "write"]);
  expect(JSON.parse(out)).toEqual(schemaOf("tuple write", SHAPES["tuple write"]!));
  expect((await cliHere(["schema", "tuple", "wirte"])).err).toContain('did you mean "tuple write"');
});
