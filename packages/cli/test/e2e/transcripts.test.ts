/** The transcripts of docs/cli.md, run again: all but ids, times and figures must be as they are written there. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support.js";
import { runCli } from "../../src/cli.js";
import { keepDevContext } from "../../src/dev/dev-context.js";
import type { CliIo } from "../../src/run/cli-io.js";
import { cliHere, startNode } from "./processes.js";

const PATH = fileURLToPath(new URL("../../../../docs/cli.md", import.meta.url));
const BLOCK = /(```console\n)([\s\S]*?)(```)/g;

/** As long as the name of a temporary directory, so that columns stay where they were. */
const HOME = "/home/ann/w/.authledger/dev";
/** Files that the commands write. */
const MADE_FILES: ReadonlySet<string> = new Set(["proof.json", "no.tlog-proof"]);
const QUIET_IO: Omit<CliIo, "out" | "err" | "env"> = {
  outBytes: async () => undefined,
  input: (async function* () {})(),
  isErrTerminal: false,
  signal: new AbortController().signal,
};

/** What differs from run to run, and how wide that makes columns. */
function steady(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID")
    .replaceAll(/AQ[A-Za-z0-9_-]{40,}/g, "TOKEN")
    .replaceAll(/[0-9a-f]{16,}/g, "HEX")
    .replaceAll(/[0-9][0-9.,]*( (h|min|s|ms|[KMG]iB|B)\b)?/g, "#")
    .replaceAll(/#( #)+/g, "#")
    .replaceAll(/^(dirty|cache|log|memory|store\w*) .*$/gm, "$1 #")
    .replaceAll(/^.*client-bound.*\n/gm, "")
    .replaceAll(/ +/g, " ");
}

it("docs/cli.md shows what the commands print (UPDATE=1 writes it anew)", async () => {
  const directory = temporaryDirectory();
  const told = ["--advertise-client", "127.0.0.1:7400", "--advertise-peer", "127.0.0.1:7401"];
  const node = await startNode(join(directory, "data"), [
    ...["--name", "n1", "--peer", "127.0.0.1:0", ...told],
  ]);
  const config = {
    XDG_CONFIG_HOME: join(directory, "config"),
    XDG_STATE_HOME: join(directory, "state"),
  };
  const base = { ...config, AUTHLEDGER_ENDPOINT: node.grpc };
  const organization = (
    await cliHere(["org", "create", "dev", "-o", "name"], { env: base })
  ).out.trim();
  const org = { ...base, AUTHLEDGER_ORG: organization };
  const vault = (await cliHere(["vault", "create", "dev", "-o", "name"], { env: org })).out.trim();
  const anchorFile = join(directory, "anchor.json");
  const env = { ...org, AUTHLEDGER_VAULT: vault };
  writeFileSync(anchorFile, (await cliHere(["vault", "anchor"], { env })).out);
  const ledger = {
    directory,
    node: { endpoints: [node.grpc] },
    tenant: { organization, vault },
    anchorFile,
    pins: join(directory, "pins"),
  };
  expect(await keepDevContext(config, "dev", ledger)).toMatchObject({
    isOurs: true,
    isCurrent: true,
  });

  const run = async (line: string): Promise<string> => {
    const [command = "", file] = line.slice("$ authledger ".length).split(" > ");
    const words = command
      .split(" ")
      .map((word) => (MADE_FILES.has(word) ? join(directory, word) : word));
    // As a terminal shows it: in the order in which it was written.
    let shown = "";
    let data = "";
    await runCli(words, {
      ...QUIET_IO,
      env: config,
      out: async (text) => {
        data += text;
        if (file === undefined) shown += text;
      },
      err: (text) => {
        shown += text;
      },
    });
    if (file !== undefined) writeFileSync(join(directory, file), data);
    return shown
      .replaceAll(directory, HOME)
      .replaceAll(`${node.grpc}  `, "127.0.0.1:7400   ")
      .replaceAll(node.grpc, "127.0.0.1:7400")
      .replaceAll(node.http, "127.0.0.1:7402");
  };
  const document = readFileSync(PATH, "utf8");
  let shown = document;
  for (const [whole, open, body = "", close] of document.matchAll(BLOCK)) {
    let text = "";
    for (const line of body.split("\n").filter((one) => one.startsWith("$ "))) {
      text += `${line}\n${await run(line)}`;
    }
    if (process.env["UPDATE"] !== undefined)
      shown = shown.replace(whole, () => `${open}${text}${close}`);
    else expect(steady(text)).toBe(steady(body));
  }
  if (shown !== document) writeFileSync(PATH, shown);
});

it("a context of the same name that a person made is left alone", async () => {
  const env = { XDG_CONFIG_HOME: temporaryDirectory() };
  await cliHere(["context", "set", "dev", "--endpoint", "10.0.0.1:1"], { env });
  const ledger = {
    directory: "/data",
    node: { endpoints: ["127.0.0.1:7400"] },
    tenant: { organization: "7", vault: "9" },
    anchorFile: "/data/anchor.json",
    pins: "/data/pins",
  };
  expect(await keepDevContext(env, "dev", ledger)).toMatchObject({ isOurs: false });
  const kept = await cliHere(["context", "show", "dev", "--field", "endpoint"], { env });
  expect(kept.out).toBe("10.0.0.1:1\n");
  // Its own it keeps up to date, and it takes over nothing that is current.
  expect(await keepDevContext(env, "quickstart", ledger)).toMatchObject({
    isOurs: true,
    isCurrent: false,
  });
  const moved = { ...ledger, node: { endpoints: ["127.0.0.1:9999"] } };
  await keepDevContext(env, "quickstart", moved);
  const ours = await cliHere(["context", "show", "quickstart", "--field", "endpoint"], { env });
  expect(ours.out).toBe("127.0.0.1:9999\n");
});
