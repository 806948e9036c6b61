/** The command line as a function: arguments in, exit code out. */
import { ExitCode } from "@authledger/types";
import { Command, CommanderError } from "commander";
import { addBlockCommands } from "./commands/block.js";
import { addCheckCommand } from "./commands/check.js";
import { addDebugCommands } from "./commands/debug.js";
import { addDevCommand } from "./commands/dev.js";
import { addEntityCommands } from "./commands/entity.js";
import { addImportCommand } from "./commands/import.js";
import { addOrgCommands } from "./commands/org.js";
import { addProofCommands } from "./commands/proof.js";
import { addQuickstartCommand } from "./commands/quickstart.js";
import { addStartCommand } from "./commands/start.js";
import { addListCommand, addTupleCommands } from "./commands/tuple.js";
import { addVaultCommands } from "./commands/vault.js";
import { addVersionCommand } from "./commands/version.js";
import type { CliIo } from "./run/cli-io.js";
import { CommandFrame } from "./run/command.js";
import { describeError, exitCodeOf } from "./run/errors.js";
import { ENDPOINT_DEFAULT, usage } from "./run/settings.js";

/** Runs one command. @returns the exit code of the process (docs/errors.md) */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  const frame = new CommandFrame(io);
  const pending: Promise<void>[] = [];
  const program = createProgram(frame, (text) => pending.push(io.out(text)));
  try {
    await program.parseAsync([...args], { from: "user" });
    return frame.outcome.exitCode;
  } catch (thrown) {
    const error = thrown instanceof CommanderError ? usageError(thrown) : thrown;
    if (error === undefined) return ExitCode.OK;
    if (thrown instanceof CommanderError) frame.outcome.command = commandOf(program, args);
    io.err(await describeError(error, frame.outcome));
    return exitCodeOf(error);
  } finally {
    await Promise.all(pending);
  }
}

/** Undefined when help or version was asked for. */
function usageError({ exitCode, message }: CommanderError): Error | undefined {
  if (exitCode === 0) return undefined;
  const text = message.replace(/^error: /, "").replaceAll("\n", " ");
  return usage(text === "(outputHelp)" ? "no command given" : text);
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

function createProgram(frame: CommandFrame, out: (text: string) => void): Command {
  const program = new Command("authledger")
    .description("An authorization ledger that proves its answers.")
    .option("-e, --endpoint <host:port,...>", `nodes to ask (default ${ENDPOINT_DEFAULT})`)
    .option("--org <slug>", "organization (AUTHLEDGER_ORG)")
    .option("--vault <slug>", "vault (AUTHLEDGER_VAULT)")
    .option("-o, --output <format>", "table, json, yaml or name (default table)")
    .option("--timeout <time>", "for a call with its retries, such as 250ms, 5s or 2m (default 5s)")
    .option("--request-id <id>", "names the calls in logs and errors")
    .option("--verify", "compute answers from their proofs, against the pinned root")
    .option("--anchor <file>", "the trust anchor to begin with; implies --verify")
    .option(
      "--trust-on-first-use",
      "take the anchor from the node at first contact; implies --verify",
    )
    .option("--pins <directory>", "where pinned roots are kept")
    .option("-q, --quiet", "print data and errors only")
    .option("-v, --verbose", "print more about errors");
  program
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: () => undefined, outputError: () => undefined });
  addStartCommand(program, frame);
  addDevCommand(program, frame);
  addQuickstartCommand(program, frame);
  addOrgCommands(program, frame);
  addVaultCommands(program, frame);
  addTupleCommands(program, frame);
  addEntityCommands(program, frame);
  addCheckCommand(program, frame);
  addListCommand(program, frame);
  addBlockCommands(program, frame);
  addProofCommands(program, frame);
  addImportCommand(program, frame);
  addDebugCommands(program, frame);
  addVersionCommand(program, frame);
  return program;
}
