/** Every command against a real node: what it prints, how it exits, what it says when it fails. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, type Ended, startNode } from "./processes.js";

const TUPLE = "doc:readme#viewer@user:alice";

/** A node with a vault, and a command line that is told about both. */
async function setUp(): Promise<{
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  run(command: string, input?: string | Uint8Array): Promise<Ended>;
  json(command: string): Promise<Record<string, unknown>>;
}> {
  const directory = temporaryDirectory();
  const node = await startNode(join(directory, "data"));
  const base = { AUTHLEDGER_ENDPOINT: node.grpc, AUTHLEDGER_PINS: join(directory, "pins") };
  const made = await cliHere(["org", "create", "acme", "-o", "name"], { env: base });
  const org = { ...base, AUTHLEDGER_ORG: made.out.trim() };
  const vault = await cliHere(["vault", "create", "main", "-o", "name"], { env: org });
  const env = { ...org, AUTHLEDGER_VAULT: vault.out.trim() };
  const anchor = join(directory, "anchor.json");
  writeFileSync(anchor, (await cliHere(["vault", "anchor"], { env })).out);
  const told = { ...env, AUTHLEDGER_ANCHOR: anchor };
  const run = (command: string, input?: string | Uint8Array): Promise<Ended> =>
    cliHere(command.split(" "), { env: told, ...(input !== undefined && { input }) });
  const json = async (command: string): Promise<Record<string, unknown>> => {
    const { end, out, err } = await run(`${command} -o json`);
    expect([end, err]).toEqual([0, ""]);
    return JSON.parse(out) as Record<string, unknown>;
  };
  return { directory, env: told, run, json };
}

describe("commands", () => {
  it("write, check, list and delete tuples; exit codes tell allowed from denied", async () => {
    const { run, json } = await setUp();
    const written = await run(`tuple write ${TUPLE} doc:readme#owner@user:bob -o json`);
    const lines = written.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(written.end).toBe(0);
    expect(lines).toMatchObject([
      { tuple: TUPLE, status: "created", height: "1", replayed: false },
      { status: "created", height: "1" },
    ]);
    expect(await run(`check ${TUPLE} --exit-code -o name`)).toMatchObject({
      end: 0,
      out: "allowed\n",
    });
    const denied = "doc:readme#viewer@user:eve";
    expect(await run(`check ${denied} --exit-code -o name`)).toMatchObject({
      end: 1,
      out: "denied\n",
    });
    expect((await run(`check ${denied}`)).end).toBe(0);
    const verified = await json(`check ${TUPLE} --verify`);
    expect(verified).toMatchObject({ allowed: true, verified: "current", trusted_size: "2" });
    const list = await run("list --resource doc:readme --verify -o name");
    expect(list.out.trim().split("\n").sort()).toEqual(["doc:readme#owner@user:bob", TUPLE]);
    expect((await run("list --subject user:alice")).out).toContain("doc:readme  viewer");
    expect(await run(`tuple delete ${TUPLE} -o name`)).toMatchObject({ end: 0 });
    expect(await run(`tuple read ${TUPLE}`)).toMatchObject({ end: 3, out: "" });
    expect((await run(`check ${TUPLE} -o name`)).out).toBe("denied\n");
  });

  it("set, get and delete entities, and read back their very bytes", async () => {
    const { run, json } = await setUp();
    expect(await json("entity set config:a hello")).toMatchObject({
      status: "created",
      height: "1",
    });
    expect(await json("entity get config:a --verify")).toMatchObject({ value: "hello" });
    expect((await run("entity delete config:a")).end).toBe(0);
    const gone = await run("entity get config:a");
    expect(gone).toMatchObject({ end: 3, out: "" });
    expect(gone.err).toMatch(/^error\[ENTITY_NOT_FOUND\]/);
  });

  it("list entities by prefix and resources by type, and tell what a client did last", async () => {
    const { run, json } = await setUp();
    await run("entity set config:b 2");
    await run("entity set config:a 1");
    await run("entity set other x");
    await run(`tuple write ${TUPLE} doc:other#viewer@user:bob`);
    expect((await run("entity list --prefix config: -o name")).out).toBe("config:a\nconfig:b\n");
    expect((await run("entity list --limit 1 -o name")).out).toBe("config:a\n");
    expect((await run("entity list")).out).toMatch(/key +value +version/i);
    const names = (await run("resource list --type doc -o name")).out.trim().split("\n");
    expect(names.sort()).toEqual(["doc:other", "doc:readme"]);
    expect((await run("resource list")).end).toBe(2);
    const none = { client: "nobody", last_sequence: "0", last_height: null };
    expect(await json("vault client nobody")).toMatchObject(none);
    const refused = await run("entity list --verify");
    expect(refused.err).toMatch(/^error\[INVALID_ARGUMENT\].*no proof/);
    expect((await run("entity list --verify --unproven -o name")).end).toBe(0);
  });

  it("delete vaults and organizations only when that was confirmed, and say what goes (INV-CONFIRM-1)", async () => {
    const { run, json, env } = await setUp();
    const [org, vault] = [env["AUTHLEDGER_ORG"]!, env["AUTHLEDGER_VAULT"]!];
    await run(`tuple write ${TUPLE}`);
    const unasked = await run(`vault delete ${vault}`);
    expect(unasked).toMatchObject({ end: 2, out: "" });
    expect(unasked.err).toMatch(/its 2 blocks.*\n[\s\S]*give --yes/);
    const dry = await run(`vault delete ${vault} --dry-run -o name`);
    expect(dry).toMatchObject({ end: 0, out: `${vault}\n` });
    expect(dry.err).toMatch(/for ever[\s\S]*nothing was deleted/);
    expect((await run(`check ${TUPLE} -o name`)).out).toBe("allowed\n");
    const full = await run(`org delete ${org} --yes`);
    expect(full.end).toBe(5);
    expect(full.err).toMatch(/error\[ORGANIZATION_NOT_EMPTY\][\s\S]*authledger vault delete/);
    expect(await json(`vault delete ${vault} --yes -q`)).toMatchObject({
      slug: vault,
      height: "1",
    });
    const gone = await run(`check ${TUPLE}`);
    expect(gone.end).toBe(3);
    expect(gone.err).toMatch(/^error\[VAULT_DELETED\]/);
    expect((await run("vault list -o name")).out).toBe("");
    expect((await json("vault get"))["status"]).toMatch(/^delet/);
    expect((await run(`vault delete ${vault} --yes`)).end).toBe(0);
    expect((await json(`org delete ${org} --yes -q`))["status"]).toMatch(/^delet/);
    expect((await run("org list -o name")).out).toBe("");
  });

  it("write only under conditions, and say of one that does not hold what is there (L-134)", async () => {
    const { run, json } = await setUp();
    await run("entity set config:a one");
    expect((await run("entity set config:a two --if-absent")).end).toBe(5);
    expect((await run("entity set config:b two --if-exists")).end).toBe(5);
    const refused = await run("entity set config:a two --if-value other");
    expect(refused.err).toMatch(/^error\[PRECONDITION_FAILED\]/);
    expect(refused.err).toContain("key=config:a");
    expect(refused.err).toContain(`valueBase64=${Buffer.from("one").toString("base64")}`);
    expect(await json("entity set config:a two --if-value one")).toMatchObject({
      status: "updated",
    });
    expect(await json("entity set config:a three --if-version 2")).toMatchObject({ height: "3" });
    expect((await run("entity set config:a x --if-absent --if-exists")).end).toBe(2);
    const other = "doc:readme#owner@user:bob";
    expect((await run(`tuple write ${TUPLE} --must-exist ${other}`)).end).toBe(5);
    expect((await run(`tuple write ${other} --must-not-exist ${TUPLE}`)).end).toBe(0);
    const written = await run(`tuple write ${TUPLE} -o json --must-exist ${other}`);
    expect(JSON.parse(written.out)).toMatchObject({ tuple: TUPLE, status: "created" });
  });

  it("show organizations, vaults, blocks and versions in every format", async () => {
    const { run, json, env } = await setUp();
    await run(`tuple write ${TUPLE}`);
    expect((await run("org list -o name")).out.trim()).toBe(env["AUTHLEDGER_ORG"]);
    expect(await json("vault get")).toMatchObject({ slug: env["AUTHLEDGER_VAULT"], height: "1" });
    expect(await json("block show")).toMatchObject({ height: "1", transaction_count: 1 });
    expect(await json("block show")).toMatchObject({ actors: ["anonymous"] });
    for (const format of ["table", "wide"]) {
      expect((await run(`block show -o ${format}`)).out).toMatch(/^actors +anonymous$/m);
    }
    expect(await json("block show 0")).toMatchObject({ height: "0", transaction_count: 1 });
    expect((await run("block show 7")).end).not.toBe(0);
    const yaml = await run("block show 1 -o yaml");
    expect(yaml.out).toMatch(/^height: "1"$/m);
    expect(await json("version")).toMatchObject({ version: "0.1.0", role: "leader", vaults: "1" });
  });

  it("fetch proofs that verify offline, and refuse every one that was changed or is of another vault", async () => {
    const { run, json, directory } = await setUp();
    await run(`tuple write ${TUPLE}`);
    await run("entity set k v");
    for (const [question, answer] of [
      [TUPLE, "present"],
      ["doc:readme#viewer@user:eve", "absent"],
      ["--key k", "present"],
      ["--key other", "absent"],
      ["--resource doc:readme", [TUPLE]],
      ["--subject user:alice", [TUPLE]],
      ["--resource doc:none", []],
    ] as const) {
      const proof = await json(`proof get ${question}`);
      expect(Object.keys(proof)).toEqual(
        expect.arrayContaining(
          "origin salt height header state_proof history_proof checkpoint".split(" "),
        ),
      );
      const file = join(directory, "proof.json");
      writeFileSync(file, JSON.stringify(proof));
      expect(await json(`proof verify ${file} -q`)).toMatchObject({ verified: true, answer });
      for (const changed of forgeries(proof)) {
        writeFileSync(file, JSON.stringify(changed));
        const refused = await run(`proof verify ${file}`);
        expect([refused.end, refused.out]).toEqual([7, ""]);
        expect(refused.err).toMatch(/^error\[PROOF_/);
      }
    }
    await run("vault create other");
    const text = JSON.stringify(await json(`proof get ${TUPLE}`));
    const foreign = await cliHere(["proof", "verify", "-"], {
      env: { AUTHLEDGER_PINS: join(directory, "none") },
      input: text,
    });
    expect(foreign.err).toMatch(/^error\[TRUST_ANCHOR_MISSING\]/);
    expect((await run("proof verify -", "{")).err).toMatch(/^error\[PROOF_INVALID\]/);
    expect((await run("proof verify -", text.slice(0, -100))).end).toBe(7);
  });

  it("import NDJSON, name each broken line with its number and reason, and replay what is imported again", async () => {
    const { run, directory, json } = await setUp();
    const file = join(directory, "tuples.ndjson");
    const lines = Array.from({ length: 2_500 }, (_, i) => `{"tuple":"doc:${i}#viewer@user:alice"}`);
    lines[10] = "{ not json";
    lines[20] = '{"tuple":"doc 20#viewer@user:alice"}';
    writeFileSync(file, `${lines.join("\n")}\n`);
    const first = await run(`import ${file} -o json`);
    expect(first.err).toMatch(/rejected line 11: .*\n.*rejected line 21: /s);
    expect(JSON.parse(first.out)).toMatchObject({ operations: 2_498, rejected: 2, created: 2_498 });
    expect(first.end).not.toBe(0);
    const again = await run(`import ${file} -o json`);
    expect(JSON.parse(again.out)).toMatchObject({ transactions: 3, replayed_transactions: 3 });
    expect(await json("vault get")).toMatchObject({ height: String(JSON.parse(first.out).height) });
    expect((await run("import /does/not/exist")).err).toMatch(/^error\[IO_READ_FAILED\]/);
  });

  it("import the ownership of a directory of this machine", async () => {
    const { run, directory } = await setUp();
    writeFileSync(join(directory, "mine"), "");
    const { end, out } = await run(`import posix ${directory} -o json`);
    expect(end).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ rejected: 0 });
    const owned = await run(`list --resource file:${directory}/mine --relation owner -o name`);
    expect(owned.out).toMatch(/#owner@user:\S+\n$/);
  });
});

describe("errors", () => {
  it("of the command line name the command, its mistake and its help, and exit with 2", async () => {
    for (const [command, message] of [
      ["", /no command given/],
      ["frobnicate", /unknown command 'frobnicate'/],
      ["chek x", /Did you mean check\?/],
      ["check", /missing required argument 'tuple'/],
      ["check a#b@c:d", /not a type:id|resource/],
      ["tuple write --reason", /argument missing/],
      ["-o xml org list", /-o "xml"/],
      ["--timeout soon org list", /--timeout "soon"/],
      [`check ${TUPLE} --consistency sometimes`, /--consistency "sometimes"/],
      ["start --cache lots", /cache: "lots" is not a size/],
      ["start --listen 0.0.0.0:7400", /not a loopback address/],
      ["start --log-level loud", /logLevel "loud"/],
    ] as const) {
      const args = command === "" ? [] : command.split(" ");
      const tenant = { AUTHLEDGER_ORG: "1", AUTHLEDGER_VAULT: "1" };
      const { end, out, err } = await cliHere(args, { env: tenant });
      expect([command, end, out]).toEqual([command, 2, ""]);
      expect(err).toMatch(message);
      expect(err).toMatch(
        /^error\[[A-Z_]+\]: .*\n {2}in: .*\n {2}cause: .*\n {2}try: .* {5}docs: errors#/,
      );
    }
  });

  it("say why an endpoint cannot be reached, and exit with 6", async () => {
    const refused = await cliHere([
      "check",
      TUPLE,
      "--org",
      "1",
      "--vault",
      "1",
      "-e",
      "127.0.0.1:1",
    ]);
    expect(refused.end).toBe(6);
    expect(refused.err).toContain("connection refused");
    expect(refused.err).toMatch(/try: (authledger start|--endpoint)/);
    const { http } = await startNode(join(temporaryDirectory(), "data"));
    const wrong = await cliHere(["org", "list", "-e", http]);
    expect(wrong.end).toBe(6);
    expect(wrong.err).toContain("wrong port");
  });

  it("of unknown organizations and vaults name them, and exit with 3", async () => {
    const { env } = await setUp();
    const org = await cliHere(["vault", "list", "--org", "12345"], { env });
    expect([org.end, org.err.split(":")[0]]).toEqual([3, "error[ORGANIZATION_NOT_FOUND]"]);
    const vault = await cliHere(["check", TUPLE, "--vault", "12345"], { env });
    expect([vault.end, vault.err.split(":")[0]]).toEqual([3, "error[VAULT_NOT_FOUND]"]);
    expect(vault.err).toContain("12345");
  });
});

/** Proofs that must not verify: each field of bytes changed, cut, and made of something else. */
function forgeries(proof: Record<string, unknown>): Record<string, unknown>[] {
  const changed = (name: string, change: (text: string) => string): Record<string, unknown> => ({
    ...proof,
    [name]: change(String(proof[name])),
  });
  const flip = (text: string): string => {
    const at = Math.floor(text.length / 2);
    return text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1);
  };
  return [
    changed("state_proof", flip),
    changed("state_proof", (text) => text.slice(0, -2)),
    changed("state_proof", () => ""),
    changed("header", flip),
    changed("salt", flip),
    changed("checkpoint", (text) => text.replace(/\n1?\d\n/, "\n99\n")),
    changed("height", (text) => String(BigInt(text) + 1n)),
    changed("origin", (text) => `${text}x`),
  ];
}
