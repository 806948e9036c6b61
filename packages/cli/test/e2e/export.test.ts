/** Exports and imports against real nodes: rows both ways, snapshots online and offline, and what fails how. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cli, cliHere, cliInto, type Ended, launch, startNode } from "./processes.js";

type Env = Readonly<Record<string, string>>;

interface Place {
  readonly directory: string;
  readonly env: Env;
  readonly node: Awaited<ReturnType<typeof startNode>>;
  run(args: readonly string[], input?: string | Uint8Array): Promise<Ended>;
}

async function newVault(env: Env, name: string): Promise<Env> {
  const made = await cliHere(["vault", "create", name, "-o", "name"], { env });
  return { ...env, AUTHLEDGER_VAULT: made.out.trim() };
}

async function setUp(): Promise<Place> {
  const directory = temporaryDirectory();
  const node = await startNode(join(directory, "data"));
  const base = { AUTHLEDGER_ENDPOINT: node.grpc, AUTHLEDGER_PINS: join(directory, "pins") };
  const made = await cliHere(["org", "create", "acme", "-o", "name"], { env: base });
  const env = await newVault({ ...base, AUTHLEDGER_ORG: made.out.trim() }, "main");
  const run = (args: readonly string[], input?: string | Uint8Array): Promise<Ended> =>
    cliHere(args, { env, ...(input !== undefined && { input }) });
  return { directory, env, node, run };
}

const ROWS = [
  ...Array.from({ length: 1_200 }, (_, i) => ({
    resource: `doc:d${i % 300}`,
    relation: "viewer",
    subject: `user:u${i}`,
    ...(i % 7 === 0 && { expires_at_ms: String(4_000_000_000_000 + i) }),
  })),
  { key: "config:a", value: "=SUM(A1)" },
  { key: "config:b", value_base64: "/wA=" },
];
const NDJSON = ROWS.map((row) => `${JSON.stringify(row)}\n`).join("");

/** Without versions, which are those of the vault, and in one order. */
function contentsOf(ndjson: string): string[] {
  const lines = ndjson.trim().split("\n");
  return lines
    .map((line) => {
      const { version: _, ...row } = JSON.parse(line) as Record<string, string>;
      return JSON.stringify(row);
    })
    .sort();
}

describe("an export of rows", () => {
  it("of an older block leaves out what was erased since, and says how many", async () => {
    const { directory, run } = await setUp();
    const model =
      "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user with named]\n";
    const condition = 'condition named(name: string) {\n  name == "ann"\n}\n';
    const file = join(directory, "model.fga");
    writeFileSync(file, model + condition);
    const deployed = await run(["model", "deploy", file, "--activate"]);
    expect(deployed).toMatchObject({ end: 0 });
    const tuple = "doc:1#viewer@user:ann";
    const steps: readonly (readonly string[])[] = [
      ["entity", "set", "person:1", "Ann"],
      ["entity", "set", "person:2", "Bob"],
      ["tuple", "write", tuple, "--condition", "named", "--with", "name=ann"],
    ];
    for (const step of steps) expect((await run(step)).end).toBe(0);
    const at = ["--at-height", JSON.parse((await run(["vault", "get", "-o", "json"])).out).height];
    expect((await run(["entity", "erase", "person:1", "--yes"])).end).toBe(0);
    const erased = await run(["tuple", "erase", tuple, "--yes", "--reason", "r 1", "-o", "json"]);
    expect(JSON.parse(erased.out)).toMatchObject({ tuple, erased: "1", deleted: true });
    const done = await run(["export", "--format", "ndjson", ...at]);
    expect([done.end, contentsOf(done.out).filter((row) => row.includes("Bob")).length]).toEqual([
      0, 1,
    ]);
    expect(done.out).not.toMatch(/person:1|doc:1/);
    expect(done.err).toContain("2 rows are left out: their values were erased since");
    const listed = await run(["list", "--resource", "doc:1", ...at, "-o", "json"]);
    expect(JSON.parse(listed.out)).toMatchObject({ condition: null, condition_erased: true });
    const entities = await run(["entity", "list", "--prefix", "person:1", ...at, "-o", "json"]);
    expect(JSON.parse(entities.out)).toMatchObject({ key: "person:1", value: "", erased: true });
  });

  it("names what was erased, whose record is still proven with its digest (INV-ERASE-4)", async () => {
    const { directory, run } = await setUp();
    expect((await run(["entity", "set", "person:1", "Ann"])).end).toBe(0);
    const at = ["--at-height", JSON.parse((await run(["vault", "get", "-o", "json"])).out).height];
    const before = await run(["proof", "get", "--key", "person:1", ...at, "-o", "json"]);
    expect((await run(["entity", "erase", "person:1", "--yes"])).end).toBe(0);
    const plain = await run(["entity", "get", "person:1", ...at]);
    expect([plain.out, plain.err.slice(0, 19)]).toEqual(["", "error[VALUE_ERASED]"]);
    const anchor = join(directory, "anchor");
    writeFileSync(anchor, (await run(["vault", "anchor"])).out);
    const verified = ["--anchor", anchor];
    const got = await run(["entity", "get", "person:1", ...at, ...verified, "-o", "json"]);
    const entity = JSON.parse(got.out) as Record<string, unknown>;
    expect(entity).toMatchObject({ value: "", value_base64: "", erased: true, value_length: 3 });
    const raw = await run(["entity", "get", "person:1", ...at, ...verified, "--raw"]);
    expect([raw.out, raw.err.slice(0, 19)]).toEqual(["", "error[VALUE_ERASED]"]);
    const proof = await run(["proof", "get", "--key", "person:1", ...at, "-o", "json"]);
    const answers: unknown[] = [];
    for (const [i, { out }] of [before, proof].entries()) {
      const file = join(directory, `${i}.json`);
      writeFileSync(file, out);
      const shown = await run(["proof", "verify", file, ...verified, "-o", "json"]);
      const { answer, value_digest } = JSON.parse(shown.out) as Record<string, unknown>;
      answers.push([answer, value_digest]);
    }
    // A proof that was taken before shows its value as it did.
    expect(answers).toEqual([
      ["present", undefined],
      ["erased", entity["value_digest"]],
    ]);
  });

  it.each(["ndjson", "csv"])("in %s is imported to equal contents, and resumes", async (format) => {
    const { directory, env, run } = await setUp();
    expect((await run(["import", "-"], NDJSON)).end).toBe(0);
    const file = join(directory, `rows.${format}`);
    const summary = await run(["export", "-f", file, "-o", "json"]);
    expect(summary.end).toBe(0);
    expect(JSON.parse(summary.out)).toMatchObject({ file, tuples: 1_200, entities: 2 });
    const other = await newVault(env, "other");
    expect((await cliHere(["import", file], { env: other })).end).toBe(0);
    const again = await cliHere(["import", file, "-o", "json"], { env: other });
    expect(JSON.parse(again.out)).toMatchObject({ replayed_transactions: 2, rejected: 0 });
    const both = [env, other].map((one) =>
      cliHere(["export", "--format", "ndjson", "-q"], { env: one }),
    );
    const [first, second] = await Promise.all(both);
    expect(contentsOf(second!.out)).toEqual(contentsOf(first!.out));
    expect(contentsOf(first!.out)).toEqual(contentsOf(NDJSON));
  });

  it("is of one resource, relation or subject when told so, and proven page by page", async () => {
    const { run } = await setUp();
    await run(["import", "-"], NDJSON);
    const args = ["export", "--resource", "doc:d7", "--verify", "--trust-on-first-use"];
    const { end, out, err } = await run(args);
    expect([end, out.trim().split("\n").length]).toEqual([0, 4]);
    expect(err).toContain("every page is proven complete");
    expect((await run(["export", "--verify"])).end).toBe(2);
    const csv = await run(["export", "--format", "csv", "--subject", "user:u7"]);
    expect(csv.out.split("\r\n")[1]).toMatch(/^doc:d7,viewer,user:u7,,,,,4000000000007,/);
  });

  it("goes to a file that can be written, or says why not", async () => {
    const { run, directory } = await setUp();
    const { end, err } = await run(["export", "-f", join(directory, "no", "such.csv")]);
    expect([end, err]).toEqual([74, expect.stringContaining("error[IO_WRITE_FAILED]")]);
    expect((await run(["export", "--format", "xml"])).end).toBe(2);
    const full = await run(["export", "--format", "csv", "-f", "/dev/full"]);
    expect([full.end, full.err]).toEqual([74, expect.stringContaining("error[DISK_FULL]")]);
    const rejected = await run(["import", "--format", "csv", "-"], "resource,relation,oops\n");
    expect(rejected.err).toContain("line 1, column 3");
  });

  // `export > out.ndjson` on a full disk: the error of the stream went to the process, past the command, which ended as
  // if by a bug of its own: error[INTERNAL] with a stack, exit 70, and an import beside it without its report.
  it("fails as a full disk does when standard output cannot take it", async () => {
    const { run, env } = await setUp();
    await run(["import", "-"], NDJSON);
    for (const args of [["export"], ["list", "-o", "json"], ["help"], ["--help"]]) {
      const { end, err } = await cliInto("/dev/full", args, env);
      expect([args, end]).toEqual([args, 74]);
      expect(err).toMatch(/^error\[DISK_FULL\]: cannot write standard output: ENOSPC/);
    }
  });
});

describe("a snapshot", () => {
  it("is taken from a running node and restored to one that answers alike under a new anchor", async () => {
    const { directory, env, node, run } = await setUp();
    await run(["import", "-"], NDJSON);
    const before = await run(["export", "-q"]);
    const file = join(directory, "backup.alsnap");
    const taken = await run(["export", "--snapshot", file, "-o", "json"]);
    expect(taken).toMatchObject({ end: 0 });
    expect(JSON.parse(taken.out)).toMatchObject({
      snapshot: file,
      size_bytes: expect.stringMatching(/^[0-9]+$/),
    });
    expect((await run(["export", "--snapshot", file])).end).toBe(2);
    const oldAnchor = (await run(["vault", "anchor"])).out;
    await node.end("SIGTERM");
    const data = join(directory, "restored");
    const restored = await cliHere(["import", "--snapshot", file, "--data", data, "-o", "json"]);
    expect(restored).toMatchObject({ end: 0 });
    const report = JSON.parse(restored.out) as {
      restored: { origin: string; statement: string }[];
    };
    expect(report).toMatchObject({ incarnation: 1, organizations: "1", vaults: "1" });
    expect(report.restored[1]!.origin).toMatch(/\/i1$/);
    expect(report.restored[1]!.statement).toMatch(/^ledger-incarnation\/v1\n/);
    const next = await startNode(data);
    const there = {
      ...env,
      AUTHLEDGER_ENDPOINT: next.grpc,
      AUTHLEDGER_PINS: join(directory, "p2"),
    };
    const after = await cliHere(["export", "-q"], { env: there });
    expect(after.out).toBe(before.out);
    const anchor = join(directory, "anchor");
    writeFileSync(anchor, (await cliHere(["vault", "anchor"], { env: there })).out);
    const check = ["check", "doc:d7#viewer@user:u7", "-o", "name", "--anchor"];
    expect(await cliHere([...check, anchor], { env: there })).toMatchObject({
      end: 0,
      out: "allowed\n",
    });
    writeFileSync(anchor, oldAnchor);
    expect(
      (await cliHere([...check, anchor, "--pins", join(directory, "p3")], { env: there })).end,
    ).toBe(7);
    const written = await cliHere(["tuple", "write", "doc:d7#viewer@user:new"], { env: there });
    expect(written.end).toBe(0);
    expect((await cliHere(["import", "--snapshot", file, "--data", data])).end).toBe(5);
  });

  it("is taken from a stopped node's directory, with everything that was acknowledged", async () => {
    const { directory, node, run } = await setUp();
    await run(["import", "-"], NDJSON);
    const data = join(directory, "data");
    const held = await cliHere(["export", "--snapshot", join(directory, "a"), "--data", data]);
    expect([held.end, held.err]).toEqual([5, expect.stringContaining("DATA_DIR_IN_USE")]);
    await node.end("SIGKILL");
    const file = join(directory, "offline.alsnap");
    expect((await cliHere(["export", "--snapshot", file, "--data", data])).end).toBe(0);
    const restored = join(directory, "restored");
    const made = await cliHere(["import", "--snapshot", file, "--data", restored, "-o", "json"]);
    expect(JSON.parse(made.out)).toMatchObject({ vaults: "1", restored: [{}, { records: 2_405 }] });
    const missing = await cliHere([
      "export",
      "--snapshot",
      join(directory, "b"),
      "--data",
      directory,
    ]);
    expect(missing.err).toContain("DATA_DIR_INVALID");
  });

  it("that is damaged, cut short or no snapshot is refused by name and offset, and installs nothing", async () => {
    const { directory, run } = await setUp();
    const file = join(directory, "good");
    await run(["export", "--snapshot", file]);
    const good = readFileSync(file);
    const stream = gunzipSync(good);
    const changed = Buffer.from(stream);
    changed[Math.floor(changed.length / 2)]! ^= 1;
    const flipped = Buffer.from(good);
    flipped[Math.floor(good.length / 2)]! ^= 1;
    const cases: readonly (readonly [string, Buffer])[] = [
      ["stream", gzipSync(changed)],
      ["file", flipped],
      ["cut", good.subarray(0, -9)],
      ["text", Buffer.from("not a snapshot at all")],
    ];
    for (const [name, bytes] of cases) {
      const bad = join(directory, name);
      writeFileSync(bad, bytes);
      const data = join(directory, `data-${name}`);
      const { end, err } = await cliHere(["import", "--snapshot", bad, "--data", data]);
      expect([name, end, err]).toEqual([name, 8, expect.stringContaining("SNAPSHOT_CORRUPT")]);
      expect(existsSync(join(data, "node.json"))).toBe(false);
      const start = await cli([
        "start",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
      ]);
      expect([name, start.err]).toEqual([name, expect.stringContaining("was not finished")]);
    }
  }, 30_000);

  it("whose restore is killed leaves nothing that starts, and the next restore is whole (INV-RESTORE-1)", async () => {
    const { directory, run } = await setUp();
    for (let i = 0; i < 4; i++)
      await run(["import", "-", "--run", `r${i}`], NDJSON.replaceAll("user:u", `user:${i}x`));
    const file = join(directory, "good");
    await run(["export", "--snapshot", file]);
    const data = join(directory, "restored");
    const { child, ended } = launch(["import", "--snapshot", file, "--data", data]);
    while (!existsSync(join(data, "RESTORING")))
      await new Promise((resolve) => setTimeout(resolve, 2));
    child.kill("SIGKILL");
    await ended;
    expect(existsSync(join(data, "node.json"))).toBe(false);
    expect((await cliHere(["import", "--snapshot", file, "--data", data])).end).toBe(0);
    const node = await startNode(data);
    expect(node.pid).toBeGreaterThan(0);
  });
});
