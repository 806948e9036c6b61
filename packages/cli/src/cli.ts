/** The command line as a function: arguments in, exit code out. */
import { Command, CommanderError } from "commander";
import { addAuditCommands } from "./commands/audit.js";
import { addAuditLogCommand } from "./commands/audit-log.js";
import { addBenchCommand } from "./commands/bench.js";
import { addBlockCommands } from "./commands/block.js";
import { addCheatCommand } from "./commands/cheat.js";
import { addCheckCommand } from "./commands/check.js";
import { addClusterCommands } from "./commands/cluster.js";
import { addCompactCommand } from "./commands/compact.js";
import { addCompletionCommands } from "./commands/completion.js";
import { addConfigCommands } from "./commands/config.js";
import { addContextCommands } from "./commands/context.js";
import { addDebugCommands } from "./commands/debug.js";
import { addDecisionCommands } from "./commands/decide.js";
import { addDevCommand } from "./commands/dev.js";
import { addEntityCommands } from "./commands/entity.js";
import { addExportCommand } from "./commands/export.js";
import { addHelpCommand } from "./commands/help.js";
import { addHistoryCommands } from "./commands/history.js";
import { addImportCommand } from "./commands/import.js";
import { addKeyCommands, addWhoAmICommand } from "./commands/key.js";
import { addModelCommands } from "./commands/model.js";
import { addOrgCommands } from "./commands/org.js";
import { addProofCommands } from "./commands/proof.js";
import { addQuickstartCommand } from "./commands/quickstart.js";
import { addQuotaCommands } from "./commands/quota.js";
import { addResourceCommands } from "./commands/resource.js";
import { addRoleCommands } from "./commands/role.js";
import { addSchemaCommand } from "./commands/schema.js";
import { addScrubCommand } from "./commands/scrub.js";
import { addStartCommand } from "./commands/start.js";
import { addStatusCommand } from "./commands/status.js";
import { addListCommand, addTupleCommands } from "./commands/tuple.js";
import { addUsageCommand } from "./commands/usage.js";
import { addVaultCommands } from "./commands/vault.js";
import { addVersionCommand, cliVersion } from "./commands/version.js";
import { addHelpTexts } from "./help/texts.js";
import type { CliIo } from "./run/cli-io.js";
import { CommandFrame } from "./run/command.js";
import { describeError, exitCodeOf, orCancelled } from "./run/errors.js";
import { lookOfArguments } from "./run/look.js";
import { ENDPOINT_DEFAULT, usage } from "./run/settings.js";

/** Runs one command. @returns the exit code of the process (docs/errors.md) */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const frame = new CommandFrame(io);
  const pending: Promise<void>[] = [];
  const program = createProgram(frame, (text) => pending.push(io.out(text)));
  try {
    await program.parseAsync([...args], { from: "user" }).catch((thrown: unknown) => {
      if (!isHelp(thrown)) throw thrown;
    });
    await Promise.all(pending);
    return frame.outcome.exitCode;
  } catch (thrown) {
    const error =
      thrown instanceof CommanderError ? usageError(thrown, program, args) : orCancelled(thrown);
    if (thrown instanceof CommanderError) frame.outcome.command = commandOf(program, args);
    const look = frame.outcome.look ?? lookOfArguments(args, io);
    io.err(await describeError(error, { ...frame.outcome, look, env: io.env }));
    return exitCodeOf(error);
  }
}

/** Help or version was asked for, which commander ends like this. */
function isHelp(thrown: unknown): boolean {
  return thrown instanceof CommanderError && thrown.exitCode === 0;
}

function usageError({ message }: CommanderError, program: Command, args: readonly string[]): Error {
  const text = message.replace(/^error: /, "").replaceAll("\n", " ");
  if (text !== "(outputHelp)") return usage(text);
  const name = commandOf(program, args);
  const below = name
    .split(" ")
    .reduce((at, one) => at.commands.find((c) => c.name() === one) ?? at, program);
  const names = below.commands.map((command) => command.name()).join(", ");
  return usage(name === "" ? "no command given" : `"${name}" needs one of: ${names}`);
}

/** The command that the arguments name, as far as they do. */
function commandOf(program: Command, args: readonly string[]): string {
  const names: string[] = [];
  let at = program;
  for (const name of args) {
    const below = at.commands.find((command) => command.name() === name);
    if (below === undefined) continue;
    names.push(name);
    at = below;
  }
  return names.join(" ");
}

/** The whole command line; also for those who want to know what commands there are. */
export function createProgram(frame: CommandFrame, out: (text: string) => void): Command {
  const program = new Command("authledger").description(
    "An authorization ledger that proves its answers.",
  );
  addGlobalOptions(program);
  program
    .showSuggestionAfterError(true)
    .helpCommand(false)
    .version(
      cliVersion(),
      "--version",
      "print the version of this command (more: authledger version)",
    )
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: out, writeErr: () => undefined, outputError: () => undefined });
  addQuickstartCommand(program, frame);
  addDevCommand(program, frame);
  addStartCommand(program, frame);
  addContextCommands(program, frame);
  addCheckCommand(program, frame);
  addDecisionCommands(program, frame);
  addListCommand(program, frame);
  addTupleCommands(program, frame);
  addEntityCommands(program, frame);
  addResourceCommands(program, frame);
  addModelCommands(program, frame);
  addImportCommand(program, frame);
  addExportCommand(program, frame);
  addProofCommands(program, frame);
  addBlockCommands(program, frame);
  addHistoryCommands(program, frame);
  addAuditCommands(program, frame);
  addStatusCommand(program, frame);
  addClusterCommands(program, frame);
  addOrgCommands(program, frame);
  addKeyCommands(program, frame);
  addWhoAmICommand(program, frame);
  addRoleCommands(program, frame);
  addVaultCommands(program, frame);
  addUsageCommand(program, frame);
  addAuditLogCommand(program, frame);
  addQuotaCommands(program, frame);
  addConfigCommands(program, frame);
  addCompactCommand(program, frame);
  addScrubCommand(program, frame);
  addDebugCommands(program, frame);
  addBenchCommand(program, frame);
  addCheatCommand(program, frame);
  addSchemaCommand(program, frame);
  addHelpCommand(program, frame);
  addCompletionCommands(program, frame);
  addVersionCommand(program, frame);
  addHelpTexts(program);
  return program;
}

function addGlobalOptions(program: Command): void {
  program
    .option("-e, --endpoint <host:port,...>", `nodes to ask (default ${ENDPOINT_DEFAULT})`)
    .option("--org <slug>", "organization (AUTHLEDGER_ORG)")
    .option("--vault <slug>", "vault (AUTHLEDGER_VAULT)")
    .option("--context <name>", "take what is not given from this context (AUTHLEDGER_CONTEXT)")
    .option("-o, --output <format>", "table, wide, json, yaml or name (default table)")
    .option(
      "--field <path>",
      "print this part of the result only, such as height or groups[0].pages",
    )
    .option("--timeout <time>", "for a call with its retries, such as 250ms, 5s or 2m (default 5s)")
    .option("--request-id <id>", "names the calls in logs and errors")
    .option("--verify", "compute answers from their proofs, against the pinned root")
    .option("--anchor <file>", "the trust anchor to begin with; implies --verify")
    .option(
      "--trust-on-first-use",
      "take the anchor from the node at first contact; implies --verify",
    )
    .option("--pins <directory>", "where pinned roots are kept")
    .option("--token <token>", "who you are: an API key or a JWT (better: AUTHLEDGER_TOKEN)")
    .option("--token-file <file>", "the same from a file, read again when it was refused")
    .option("--token-over-plaintext", "send the token to other machines without TLS too")
    .option("--tls-ca <file>", 'TLS: PEM of the CA that is believed; "system" for those of Node')
    .option("--tls-cert <file>", "TLS: PEM of this client's certificate, with --tls-key")
    .option("--tls-key <file>", "TLS: PEM of its key")
    .option("--tls-server-name <name>", "TLS: the name that a node's certificate must have")
    .option("--color <when>", "auto, always or never (default auto; NO_COLOR is heeded)")
    .option(
      "--log-format <format>",
      "of what is no data: text, json or auto (default text; of a node auto)",
    )
    .option("-q, --quiet", "print data and errors only")
    .option("-v, --verbose", "print more about errors, and what was asked how");
}
