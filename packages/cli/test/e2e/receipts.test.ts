/** Receipts of everything that can be shown, checked without a server, by us and by a verifier in another language. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, type Ended, startNode } from "./processes.js";

const VERIFIER = fileURLToPath(new URL("../foreign/verify_proof.py", import.meta.url));
const HAS_PYTHON = spawnSync("python3", ["--version"]).status === 0;

/** How a receipt is asked for, how it is verified, and what it shows. */
const CASES = [
  ["doc:1#viewer@user:ann", "doc:1#viewer@user:ann", "present"],
  ["doc:9#viewer@user:ann", "doc:9#viewer@user:ann", "absent"],
  ["--resource doc:1", "--resource doc:1", ["doc:1#owner@user:bob", "doc:1#viewer@user:ann"]],
  ["--subject user:ann", "--subject user:ann", ["doc:1#viewer@user:ann", "doc:2#viewer@user:ann"]],
  ["--key config:limit", "--key config:limit", "present"],
  ["--key config:none", "--key config:none", "absent"],
  ["--transaction 2:0", "", expect.objectContaining({ reason: "second" })],
  ["--block 1", "", expect.stringMatching(/^[0-9a-f]{64}$/)],
] as const;

/** The question of a command line, as files of proofs have it. */
function questionOf(line: string): object {
  const [first = "", second = ""] = line.split(" ");
  if (first === "--key") return { kind: "entity", key: second };
  if (first.startsWith("--")) return { kind: "list", [first.slice(2)]: second };
  return { kind: "tuple", tuple: first };
}

it("receipts are verified without a server, forgeries are refused with exit 7, and another verifier agrees", async () => {
  const directory = temporaryDirectory();
  const node = await startNode(join(directory, "data"));
  const env: Record<string, string> = { AUTHLEDGER_ENDPOINT: node.grpc };
  const at = (name: string): string => join(directory, name);
  const ended = (command: string): Promise<Ended> =>
    cliHere(command.split(" ").filter(Boolean), { env });
  const run = async (command: string): Promise<string> => {
    const { end, out, err } = await ended(command);
    expect([command, end, end === 0 ? "" : err]).toEqual([command, 0, ""]);
    return out.trim();
  };
  env["AUTHLEDGER_ORG"] = await run("org create acme -o name");
  env["AUTHLEDGER_VAULT"] = await run("vault create main -o name");
  writeFileSync(at("anchor"), await run("vault anchor"));
  await run("tuple write doc:1#viewer@user:ann doc:1#owner@user:bob");
  await run("tuple write doc:2#viewer@user:ann --reason second");
  await run("entity set config:limit 42");
  for (const [i, [asked]] of CASES.entries()) {
    await run(`proof get ${asked} --receipt -f ${at(`${i}.tlog-proof`)}`);
  }
  await node.end("SIGTERM");
  for (const [i, [, question, expected]] of CASES.entries()) {
    const file = at(`${i}.tlog-proof`);
    const command = `proof verify ${file} ${question} --anchor ${at("anchor")} -o json`;
    const shown = JSON.parse(await run(command)) as { answer: unknown };
    const sorted = Array.isArray(shown.answer) ? [...shown.answer].sort() : shown.answer;
    expect([question, sorted]).toEqual([question, expected]);
    const text = readFileSync(file, "utf8");
    expect(text.split("\n").slice(0, 1)).toEqual(["c2sp.org/tlog-proof@v1"]);
    const verdict = (): { status: number | null; out: string } => {
      writeFileSync(at("question"), JSON.stringify(question === "" ? {} : questionOf(question)));
      const args = [VERIFIER, file, at("anchor"), at("question")];
      const { status, stdout } = spawnSync("python3", args, { encoding: "utf8" });
      return { status, out: stdout };
    };
    if (HAS_PYTHON) {
      const { status, out } = verdict();
      const { answer } = JSON.parse(out) as { answer: unknown };
      const ours = typeof sorted === "object" && !Array.isArray(sorted) ? "transaction" : sorted;
      expect([question, status, answer]).toEqual([question, 0, ours]);
    }
    for (const forged of forgeries(text)) {
      writeFileSync(file, forged);
      const { end, err } = await ended(command);
      expect([question, end, err]).toEqual([question, 7, expect.stringContaining("PROOF_")]);
      if (HAS_PYTHON) expect(verdict().status).toBe(1);
    }
  }
  const other = `proof verify ${at("4.tlog-proof")} --key config:limit --anchor ${at("anchor")}`;
  expect((await ended(other)).end).toBe(7);
}, 60_000);

/** One thing changed in each part: what is inside, the height, a hash of the history, the size that was signed. */
function forgeries(text: string): string[] {
  const lines = text.split("\n");
  const changed = (at: number, change: (line: string) => string): string =>
    lines.map((line, i) => (i === at ? change(line) : line)).join("\n");
  const flip = (line: string): string => {
    const at = line.length >> 1;
    return line.slice(0, at) + (line[at] === "A" ? "B" : "A") + line.slice(at + 1);
  };
  const size = lines.indexOf("") + 2;
  return [
    changed(1, flip),
    changed(2, (line) => `index ${Number(line.slice(6)) + 1}`),
    changed(3, flip),
    changed(size, (line) => String(Number(line) + 1)),
  ];
}
