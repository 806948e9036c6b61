/** Completion in real shells, with what a real node holds. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, startNode } from "./processes.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const WORD_BREAKS = " \t\n\"'@><=;|&(:";

/** Runs a script in a shell, with `authledger` in its path. */
async function inShell(
  shell: string,
  script: string,
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const bin = temporaryDirectory();
  const program = join(bin, "authledger");
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(program, 0o755);
  const all = { ...env, PATH: `${bin}:${process.env["PATH"] ?? ""}` };
  const child = spawn(shell, ["-c", script], { env: all, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (text: Buffer) => {
    output += text.toString("utf8");
  });
  child.stderr.on("data", (text: Buffer) => {
    output += `stderr: ${text.toString("utf8")}`;
  });
  await new Promise((resolve) => child.once("close", resolve));
  return output;
}

it("in bash: commands, and tuples of the node behind the last colon; silent without a node", async () => {
  const directory = temporaryDirectory();
  const node = await startNode(join(directory, "data"));
  const home = {
    XDG_CACHE_HOME: join(directory, "cache"),
    XDG_CONFIG_HOME: directory,
    HOME: directory,
  };
  const base = { ...home, AUTHLEDGER_ENDPOINT: node.grpc };
  const org = (await cliHere(["org", "create", "acme", "-o", "name"], { env: base })).out.trim();
  const inOrg = { ...base, AUTHLEDGER_ORG: org };
  const vault = (
    await cliHere(["vault", "create", "main", "-o", "name"], { env: inOrg })
  ).out.trim();
  const env = { ...inOrg, AUTHLEDGER_VAULT: vault };
  await cliHere(["tuple", "write", "doc:readme#viewer@user:alice", "doc:rules#owner@user:bob"], {
    env,
  });
  // Words as bash itself cuts them: a break is a word of its own.
  const at = (line: string, words: string): string => `
    COMP_LINE="${line}" COMP_POINT=${line.length} COMP_TYPE=9 COMP_WORDBREAKS=$'${WORD_BREAKS.replaceAll("'", "\\'").replaceAll("\n", "\\n").replaceAll("\t", "\\t")}'
    COMP_WORDS=(${words}) COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _authledger; echo "\${COMPREPLY[*]}"`;
  const script = [
    'eval "$(authledger completion bash)"; complete -p authledger',
    at("authledger tup", "authledger tup"),
    at("authledger check doc:r", "authledger check doc : r"),
    at("authledger check doc:readme#v", "authledger check doc : readme#v"),
    at("authledger --org ac", "authledger --org ac"),
    "AUTHLEDGER_ENDPOINT=127.0.0.1:1",
    at("authledger check doc:r", "authledger check doc : r"),
  ].join("\n");
  expect((await inShell("bash", script, env)).split("\n")).toEqual([
    "complete -F _authledger authledger",
    "tuple",
    "readme# rules#",
    "readme#viewer@",
    org,
    "",
    "",
  ]);
});

for (const shell of ["zsh", "fish"] as const) {
  const isThere = spawnSync(shell, ["-c", "true"]).status === 0;
  it.skipIf(!isThere)(`the script for ${shell} is one that ${shell} reads`, async () => {
    const { out } = await cliHere(["completion", shell]);
    const file = join(temporaryDirectory(), "script");
    writeFileSync(file, out);
    expect(await inShell(shell, `${shell} -n '${file}'`, {})).toBe("");
  });
}
