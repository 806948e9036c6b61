/** `authledger quickstart`, which is `npm start`: the whole product on the ownership of this very machine. */
import { readFile } from "node:fs/promises";
import { LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { howToReach, keepDevContext } from "../dev/dev-context.js";
import { type DevLedger, openDevLedger, remember } from "../dev/dev-ledger.js";
import { localPages, PAGES_FLAG, PAGES_FLAG_TEXT } from "../dev/local-pages.js";
import { ensurePosixRules } from "../importers/posix/posix-rules.js";
import { formatCount } from "../output/progress.js";
import { type Proven, type ProvenAnswer, proveDecisions } from "../quickstart/decisions.js";
import { type Imported, importSystemFolders } from "../quickstart/posix-import.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { importClientOptions } from "../run/import-progress.js";
import { wholeOf } from "../run/settings.js";
import { aborted } from "../run/stop.js";

const DIRECTORY_DEFAULT = ".authledger/quickstart";
const TUPLES_DEFAULT = "100000";

export function addQuickstartCommand(program: Command, frame: CommandFrame): void {
  const quickstart = program
    .command("quickstart")
    .description("start a node, import who may do what on this machine, and prove answers about it")
    .option("--once", "end with the verdict instead of staying up")
    .option("--data <directory>", `everything is kept here (default ${DIRECTORY_DEFAULT})`)
    .option(PAGES_FLAG, PAGES_FLAG_TEXT)
    .option("--limit <tuples>", "import no more than this", TUPLES_DEFAULT);
  frame.handle(quickstart, runQuickstart);
}

async function runQuickstart(run: Run): Promise<undefined> {
  const limit = wholeOf(textFlag(run, "limit") ?? TUPLES_DEFAULT, "limit");
  const directory = textFlag(run, "data") ?? DIRECTORY_DEFAULT;
  const options = { name: "quickstart", pages: localPages(run), say: run.say };
  const ledger = await openDevLedger(directory, options);
  try {
    const stopping = interrupted(run.io.signal);
    const imported = await Promise.race([ledger.node.failed, stopping, tour(run, ledger, limit)]);
    if (run.flags["once"] === true) return undefined;
    const context = await keepDevContext(run.io.env, "quickstart", ledger);
    run.say(commandsOf(howToReach(context, ledger.envFile), imported));
    await Promise.race([ledger.node.failed, aborted(run.io.signal)]);
  } finally {
    await ledger.node.stop();
  }
  run.say("stopped; the next start finds the data");
  return undefined;
}

/** The tour was not finished: no verdict, and nothing is remembered of an import that was cut off. */
async function interrupted(signal: AbortSignal): Promise<never> {
  await aborted(signal);
  throw new LedgerError("CANCELLED", "interrupted; the next start goes on with what is there");
}

async function tour(run: Run, ledger: DevLedger, limit: number): Promise<Imported> {
  const { node, directory, tenant, isNew, anchorFile } = ledger;
  const step = stepsOf(run);
  await step("node", [
    `gRPC on ${node.grpcAddress}, metrics and health on http://${node.httpAddress}`,
    `Connect for browsers and curl on http://${node.connectAddress}`,
    `${isNew ? "new" : "known"} data in ${directory}`,
  ]);
  await step("vault", [
    `organization ${tenant.organization}, vault ${tenant.vault}`,
    `${isNew ? "its trust anchor is kept" : "trust anchor"} in ${anchorFile}`,
  ]);
  const client = await run.client({ endpoints: node.grpcAddress, tenant, verify: undefined });
  await ensurePosixRules(client, run.call);
  await step("model", [
    "the Unix permission rules: owner, group and others, and every directory on the way",
    "`bin/authledger model get` prints them",
  ]);
  const known = ledger.file.imported as Imported | undefined;
  if (known === undefined) run.say("   importing ...");
  const imported = known ?? (await importOnce(run, ledger, limit));
  await step("import", importLines(imported, known !== undefined));
  const anchor = await readFile(anchorFile, "utf8");
  const proven = await proveDecisions(run, ledger, anchor, imported);
  const { allowed, denied, superuser } = proven;
  await step("check", [answerLine(allowed), answerLine(denied), answerLine(superuser)]);
  await step("explain", ["why not?", ...denied.why]);
  await step("prove", proofLines(proven));
  await step("verdict", [
    "verified: each decision was made again here over its proof, and all end in one signed head",
  ]);
  if (!isTour(run)) await printVerdict(run, ledger, imported, proven);
  return imported;
}

async function importOnce(run: Run, ledger: DevLedger, limit: number): Promise<Imported> {
  const { node, tenant, directory, file } = ledger;
  const connection = { endpoints: node.grpcAddress, tenant, verify: undefined };
  const client = await run.client({ ...importClientOptions(), ...connection });
  const imported = await importSystemFolders(run, client, limit);
  await remember(directory, { ...file, imported });
  return imported;
}

/** The steps themselves are what is wanted, not their verdict as fields. */
function isTour({ settings }: Run): boolean {
  return settings.format === "table" && settings.field === undefined;
}

/** Numbered steps for people: data when a table is wanted, else notes beside the data. */
function stepsOf(run: Run): (title: string, lines: readonly string[]) => Promise<void> {
  let number = 0;
  return async (title, lines) => {
    number += 1;
    const [first = "", ...rest] = lines;
    const text = [
      `${number}. ${title.padEnd(8)} ${first}`,
      ...rest.map((line) => `${" ".repeat(12)}${line}`),
    ].join("\n");
    if (isTour(run)) await run.io.out(`${text}\n`);
    else run.say(text);
  };
}

function importLines(imported: Imported, isKnown: boolean): string[] {
  const { folders, tuples, rejected, seconds, height } = imported;
  const count = `${formatCount(tuples)} tuples: who owns what in ${folders.join(", ")}, and who may do what`;
  const rate = formatCount(Math.round(tuples / Math.max(seconds, 0.001)));
  const how = isKnown
    ? `imported at an earlier start, up to block ${height}`
    : `${seconds.toFixed(1)} s, ${rate} a second, each committed in two directions; up to block ${height}`;
  return rejected === 0 ? [count, how] : [count, how, `${formatCount(rejected)} could not be read`];
}

function answerLine({ tuple, allowed }: ProvenAnswer): string {
  return `${tuple}   ${allowed ? "allowed" : "denied"}`;
}

function proofLines({
  allowed,
  denied,
  list,
  trustedSize,
  trustedRoot,
  forgery,
}: Proven): string[] {
  return [
    `allowed: proof of ${allowed.proofBytes} bytes, decided again here in ${allowed.verifyMs.toFixed(1)} ms`,
    `denied:  proof of ${denied.proofBytes} bytes, decided again here in ${denied.verifyMs.toFixed(1)} ms`,
    `complete: ${formatCount(list.entries)} entries in ${list.of}, and there are no others`,
    `signed head: ${trustedSize} blocks, root ${trustedRoot}`,
    `the same proof with one changed byte: refused, ${forgery}`,
  ];
}

async function printVerdict(
  run: Run,
  ledger: DevLedger,
  imported: Imported,
  proven: Proven,
): Promise<void> {
  const { allowed, denied, list, trustedSize, trustedRoot } = proven;
  await run.print.one({
    name: "verified",
    fields: {
      verdict: "verified",
      organization: String(ledger.tenant.organization),
      vault: String(ledger.tenant.vault),
      tuples: imported.tuples,
      import_seconds: imported.seconds,
      allowed: allowed.tuple,
      allowed_proof_bytes: allowed.proofBytes,
      denied: denied.tuple,
      denied_proof_bytes: denied.proofBytes,
      list_of: list.of,
      list_entries: list.entries,
      trusted_size: trustedSize,
      trusted_root: trustedRoot,
    },
  });
}

function commandsOf(reach: string, { open, secret, parent }: Imported): string {
  return `
Go on ${reach}
  bin/authledger check '${secret}@user:nobody' --prove
  bin/authledger explain '${open}@user:nobody'
  bin/authledger lookup subjects ${secret.replace("#", " ")} user
  bin/authledger list --subject '${parent}' --relation parent --verify
  bin/authledger check '${secret}@user:nobody' --prove --receipt no.tlog-proof
  bin/authledger proof verify no.tlog-proof
  bin/authledger --help

Ctrl-C stops the node; the data stays.`;
}
