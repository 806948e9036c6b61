/** Watches, block proofs and audits as people run them: processes, files, pipes and signals. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { cliHere, type Ended, launch, startNode } from "./processes.js";

interface Scene {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command that must do well; what it printed. */
  run(command: string): Promise<string>;
  ended(command: string): Promise<Ended>;
}

async function start(): Promise<Scene> {
  const directory = temporaryDirectory();
  const node = await startNode(join(directory, "data"));
  const env: Record<string, string> = { AUTHLEDGER_ENDPOINT: node.grpc };
  env["AUTHLEDGER_PINS"] = join(directory, "pins");
  const ended = (command: string): Promise<Ended> => cliHere(command.split(" "), { env });
  const run = async (command: string): Promise<string> => {
    const { end, out, err } = await ended(command);
    expect([command, end, end === 0 ? "" : err]).toEqual([command, 0, ""]);
    return out.trim();
  };
  env["AUTHLEDGER_ORG"] = await run("org create acme -o name");
  env["AUTHLEDGER_VAULT"] = await run("vault create main -o name");
  writeFileSync(join(directory, "anchor"), await run("vault anchor"));
  return { directory, env, run, ended };
}

async function until(what: () => boolean): Promise<void> {
  const begun = performance.now();
  while (!what()) {
    if (performance.now() - begun > 20_000) throw new Error(`never: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Record<string, unknown>]));

it("watches print NDJSON when piped, and a summary with where to go on at Ctrl-C", async () => {
  const { env, run } = await start();
  await run("tuple write doc:1#viewer@user:ann --reason first");
  const blocks = launch(["block", "watch", "--from", "0"], env);
  const changes = launch(["tuple", "watch", "--from", "0", "--resource-type", "doc"], env);
  await until(() => linesOf(changes.output.out).length === 1);
  await run("tuple write folder:1#viewer@user:ann");
  await run("tuple delete doc:1#viewer@user:ann");
  await until(() => linesOf(blocks.output.out).length === 4);
  await until(() => linesOf(changes.output.out).length === 2);
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const { child } of [blocks, changes]) child.kill("SIGINT");
  const [blocksEnded, changesEnded] = await Promise.all([blocks.ended, changes.ended]);
  expect([blocksEnded.end, blocksEnded.err.trim()]).toEqual([0, "4 blocks; go on with --from 4"]);
  expect(changesEnded.err).toContain("2 changes");
  expect(linesOf(blocksEnded.out).map(({ height }) => height)).toEqual(["0", "1", "2", "3"]);
  expect(
    linesOf(changesEnded.out).map(({ height, change, name, reason }) => [
      height,
      change,
      name,
      reason,
    ]),
  ).toEqual([
    ["1", "created", "doc:1#viewer@user:ann", "first"],
    ["3", "deleted", "doc:1#viewer@user:ann", ""],
  ]);
  const listed = await run("tuple changes --from 2 --to 3 -o name");
  expect(listed).toBe("folder:1#viewer@user:ann\ndoc:1#viewer@user:ann");
});

it("a block proof is verified without a server, and refused with exit 7 when anything in it was changed", async () => {
  const { directory, run, ended } = await start();
  await run("tuple write doc:1#viewer@user:ann doc:2#owner@user:bob");
  await run("tuple write doc:1#viewer@user:eve");
  const file = join(directory, "block.json");
  const verify = `block verify ${file} --anchor ${join(directory, "anchor")} -o json -e 127.0.0.1:1`;
  for (const height of [0, 1, 2]) {
    await run(`block proof --height ${height} -f ${file}`);
    expect(JSON.parse(await run(verify))).toMatchObject({ verified: true, height: String(height) });
  }
  const shown = JSON.parse(readFileSync(file, "utf8")) as Record<string, string | string[]>;
  for (const name of ["header", "previous_header", "witness"]) {
    const hex = String(shown[name]);
    const at = hex.length >> 1;
    const flipped = hex.slice(0, at) + (hex[at] === "0" ? "1" : "0") + hex.slice(at + 1);
    writeFileSync(file, JSON.stringify({ ...shown, [name]: flipped }));
    const { end, err } = await ended(verify);
    expect([name, end, err]).toEqual([name, 7, expect.stringContaining("PROOF_INVALID")]);
  }
  writeFileSync(file, JSON.stringify({ ...shown, transactions: [] }));
  expect((await ended(verify)).end).toBe(7);
});

// INV-AUDIT-2
it("an audit goes on after it was killed, follows what comes, and tells what it has verified", async () => {
  const { directory, env, run, ended } = await start();
  for (let i = 0; i < 5; i++) await run(`tuple write doc:${i}#viewer@user:ann`);
  const state = join(directory, "audit.json");
  const anchor = ["--anchor", join(directory, "anchor")];
  const first = launch(["audit", "run", "--state", state, ...anchor], env);
  await until(() => existsSync(state));
  first.child.kill("SIGKILL");
  expect((await first.ended).end).toBe("SIGKILL");
  const status = async (): Promise<Record<string, unknown>> =>
    JSON.parse(await run(`audit status --state ${state} -o json`)) as Record<string, unknown>;
  expect(await status()).toMatchObject({ blocks_executed: "6", head_size: "6" });
  const second = launch(["audit", "run", "--state", state], env);
  await until(() => second.output.err.includes("audit from block 6"));
  for (let i = 0; i < 3; i++) await run(`tuple write doc:${i}#owner@user:ann`);
  await until(() => second.output.err.includes("9 blocks executed, 0 behind"));
  second.child.kill("SIGINT");
  const { end, err } = await second.ended;
  expect([end, err]).toEqual([0, expect.stringContaining("nothing contradicts")]);
  await run(`audit run --state ${state} --once`);
  expect(await status()).toMatchObject({ blocks_executed: "9" });
  // What the auditor holds is not what the node signs: as if the node had signed another root before.
  const saved = JSON.parse(readFileSync(state, "utf8")) as { head: { root: string } };
  saved.head.root = saved.head.root.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
  writeFileSync(state, JSON.stringify(saved));
  const found = await ended(`audit run --state ${state} --once`);
  expect([found.end, found.err]).toEqual([7, expect.stringContaining("EQUIVOCATION")]);
  const evidence = readdirSync(directory).filter((name) => name.includes("evidence"));
  expect(evidence).toHaveLength(1);
  expect(JSON.parse(readFileSync(join(directory, evidence[0]!), "utf8"))).toMatchObject({
    kind: "fork",
    received_note: expect.stringContaining("\n9\n"),
  });
  expect((await ended(`audit run --state ${join(directory, "none")}`)).end).toBe(2);
});
