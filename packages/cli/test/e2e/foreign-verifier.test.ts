/**
 * Proofs of a real node under a verifier in another language, written from docs/format/commitment.md alone: it
 * accepts what ours accepts with the same answer, and refuses what was changed. Skipped where there is no Python 3.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, startNode } from "./processes.js";

const VERIFIER = fileURLToPath(new URL("../foreign/verify_proof.py", import.meta.url));
const HAS_PYTHON = spawnSync("python3", ["--version"]).status === 0;

interface Verdict {
  readonly answer: unknown;
  readonly height: number;
  readonly size: number;
}

/** What the foreign verifier says; undefined when it refuses. */
function verdictOf(directory: string, proof: object, anchor: object): Verdict | undefined {
  const files = [join(directory, "proof.json"), join(directory, "anchor.json")] as const;
  writeFileSync(files[0], JSON.stringify(proof));
  writeFileSync(files[1], JSON.stringify(anchor));
  const run = spawnSync("python3", [VERIFIER, ...files], { encoding: "utf8" });
  if (run.status === 0) return JSON.parse(run.stdout) as Verdict;
  expect([run.status, run.stderr]).toEqual([1, expect.stringMatching(/^refused: /)]);
  return undefined;
}

it.skipIf(!HAS_PYTHON)(
  "a verifier that somebody else wrote comes to the same answers, and refuses changed proofs",
  async () => {
    const directory = temporaryDirectory();
    const node = await startNode(join(directory, "data"));
    const org = { AUTHLEDGER_ENDPOINT: node.grpc, AUTHLEDGER_PINS: join(directory, "pins") };
    const run = async (env: Readonly<Record<string, string>>, command: string): Promise<string> => {
      const { end, out, err } = await cliHere(command.split(" "), { env });
      expect([command, end, err]).toEqual([command, 0, ""]);
      return out.trim();
    };
    const named = { ...org, AUTHLEDGER_ORG: await run(org, "org create acme -o name") };
    const env = { ...named, AUTHLEDGER_VAULT: await run(named, "vault create main -o name") };
    for (let i = 0; i < 6; i++) {
      await run(
        env,
        `tuple write doc:plan#viewer@user:u${i} doc:plan#owner@user:u${i} doc:${i}#viewer@user:ann`,
      );
    }
    await run(env, "entity set config:limit 42");
    const anchor = JSON.parse(await run(env, "vault anchor")) as Record<string, string>;
    const viewers = Array.from({ length: 6 }, (_, i) => `doc:plan#viewer@user:u${i}`);
    const owners = viewers.map((tuple) => tuple.replace("viewer", "owner"));
    for (const [question, answer] of [
      ["doc:plan#viewer@user:u3", "present"],
      ["doc:plan#viewer@user:eve", "absent"],
      ["--key config:limit", "present"],
      ["--key config:none", "absent"],
      ["--resource doc:plan", [...owners, ...viewers].sort()],
      ["--resource doc:plan --relation viewer", viewers],
      ["--subject user:ann", viewers.map((_, i) => `doc:${i}#viewer@user:ann`)],
      ["--resource doc:none", []],
    ] as const) {
      const proof = JSON.parse(await run(env, `proof get ${question} -o json`)) as ProofText;
      expect([question, verdictOf(directory, proof, anchor)]).toEqual([
        question,
        { answer, height: 7, size: 8 },
      ]);
      for (const changed of forgeries(proof)) {
        expect(verdictOf(directory, changed, anchor)).toBeUndefined();
      }
      const other = { ...anchor, salt: flipped(anchor["salt"] ?? "") };
      expect(verdictOf(directory, proof, other)).toBeUndefined();
    }
  },
);

type ProofText = Readonly<Record<string, string>>;

function flipped(hex: string): string {
  const at = hex.length >> 1;
  return hex.slice(0, at) + (hex[at] === "0" ? "1" : "0") + hex.slice(at + 1);
}

function forgeries(proof: ProofText): ProofText[] {
  const { header = "", state_proof: state = "", checkpoint = "" } = proof;
  return [
    { ...proof, header: flipped(header) },
    { ...proof, state_proof: flipped(state) },
    { ...proof, state_proof: state.slice(0, -2) },
    { ...proof, checkpoint: checkpoint.replace("\n8\n", "\n9\n") },
  ];
}
