/** Every line of every cheat sheet, run by a shell on a node that `authledger dev` runs. */

import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { CHEATS } from "../../src/help/cheats.js";
import { cliHere, launch } from "./processes.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

/** Runs a script; what failed is the last line of its trace. */
async function shell(
  script: string,
  directory: string,
  env: Record<string, string>,
): Promise<void> {
  const child = spawn("bash", ["-ceo", "pipefail", `set -x\n${script}`], { cwd: directory, env });
  let trace = "";
  child.stdout.on("data", (text: Buffer) => {
    trace += text.toString("utf8");
  });
  child.stderr.on("data", (text: Buffer) => {
    trace += text.toString("utf8");
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  expect([code, code === 0 ? "" : trace.slice(-2_000)]).toEqual([0, ""]);
}

it("every line of every cheat sheet does what it says, on a real node", async () => {
  const directory = temporaryDirectory();
  const bin = join(directory, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "authledger"), `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(join(bin, "authledger"), 0o755);
  const config = join(directory, "config");
  const [start] = CHEATS;
  expect(start?.lines[0]).toMatch(/^authledger dev &/);
  const dev = launch(["dev", "--data", join(directory, "dev")], { XDG_CONFIG_HOME: config });
  while (!dev.output.err.includes("Ctrl-C stops")) {
    if (dev.child.exitCode !== null) throw new Error(dev.output.err);
    await sleep(20);
  }
  const run = async ({ topic, lines }: (typeof CHEATS)[number]): Promise<void> => {
    const own = join(directory, topic);
    cpSync(config, join(own, "config"), { recursive: true });
    const env = {
      PATH: `${bin}:${process.env["PATH"] ?? ""}`,
      HOME: own,
      XDG_CONFIG_HOME: join(own, "config"),
    };
    const script = lines.filter((line) => !line.startsWith("authledger dev &")).join("\n");
    await shell(script, own, env);
  };
  // The first sheet writes what others read; the rest may run side by side.
  const [first, ...rest] = CHEATS;
  await run(first!);
  await Promise.all(rest.map(run));
  expect(readFileSync(join(directory, "proof", "proof.json"), "utf8")).toContain('"state_proof"');
  dev.child.kill("SIGINT");
  expect((await dev.ended).end).toBe(0);
});

it("a sheet is text for people and fields for programs, and a topic that is not there names those that are", async () => {
  const sheet = await cliHere(["cheat", "proof"]);
  expect(sheet.out).toMatch(/^# proof: .*\nauthledger vault anchor > anchor.json {2}# once/);
  const { out } = await cliHere(["cheat", "proof", "-o", "json"]);
  expect(JSON.parse(out)).toMatchObject({
    topic: "proof",
    lines: [{ command: "authledger vault anchor > anchor.json" }, {}, {}, {}, {}, {}],
  });
  expect((await cliHere(["cheat"])).out.trimEnd().split("\n")).toHaveLength(CHEATS.length + 1);
  expect((await cliHere(["cheat", "nothing"])).end).toBe(2);
});
