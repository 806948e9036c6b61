/** The frame around every command: settings, one client, output, and errors with what was being done. */
import {
  type CallOptions,
  type ClientOptions,
  createClient,
  type LedgerClient,
} from "@authledger/sdk";
import type { Command } from "commander";
import { Printer } from "../output/printer.js";
import type { CliIo } from "./cli-io.js";
import {
  callOptions,
  clientOptions,
  type GlobalFlags,
  type Settings,
  settingsOf,
  usage,
} from "./settings.js";

/** Options of a command, as commander gives them. */
type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

/** What a command works with. */
export interface Run {
  readonly io: CliIo;
  readonly settings: Settings;
  readonly print: Printer;
  readonly flags: Flags;
  /** Of every call: Ctrl-C, request id. */
  readonly call: CallOptions;
  /** Made when first asked for, closed when the command ends. */
  client(more?: Partial<ClientOptions>): Promise<LedgerClient>;
  /** A note to the person, unless --quiet. */
  say(text: string): void;
}

/** Answers the exit code; nothing means 0. */
export type Handler = (run: Run, ...args: string[]) => Promise<number | undefined>;

/** What became of the command line. */
export interface Outcome {
  exitCode: number;
  /** What was run, for the error message. */
  command: string;
  settings: Settings | undefined;
}

/** Registers commands on a commander program and keeps what became of them. */
export class CommandFrame {
  readonly outcome: Outcome = { exitCode: 0, command: "", settings: undefined };
  readonly #io: CliIo;

  constructor(io: CliIo) {
    this.#io = io;
  }

  /** Gives a command its handler. Arguments that commander collects in lists arrive one by one. */
  handle(command: Command, handler: Handler): Command {
    return command.action(async (...received: unknown[]) => {
      const given = received.slice(0, command.registeredArguments.length);
      const args = given.flat().filter((argument) => argument !== undefined) as string[];
      await this.#run(command, handler, args);
    });
  }

  async #run(command: Command, handler: Handler, args: string[]): Promise<void> {
    this.outcome.command = nameOf(command);
    const flags = command.optsWithGlobals<Flags & GlobalFlags>();
    const settings = settingsOf(flags, this.#io.env);
    this.outcome.settings = settings;
    const clients: LedgerClient[] = [];
    const io = this.#io;
    const run: Run = {
      io,
      settings,
      flags,
      print: new Printer(settings.format, io.out),
      call: callOptions(settings, io),
      client: async (more) => {
        const client = createClient({ ...(await clientOptions(settings)), ...more });
        clients.push(client);
        return client;
      },
      say: (text) => {
        if (!settings.isQuiet) io.err(`${text}\n`);
      },
    };
    try {
      this.outcome.exitCode = (await handler(run, ...args)) ?? 0;
    } finally {
      for (const client of clients) client.close();
    }
  }
}

/** `tuple write`, without the program's own name. */
function nameOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}

/** A flag with a text. */
export function textFlag({ flags }: Run, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

/** A flag or an environment variable that a command cannot do without. @throws LedgerError USAGE */
export function requireTenant({ settings }: Run): { organization: string; vault: string } {
  const { vault } = settings.tenant;
  if (vault === undefined) throw usage("no vault: give --vault <slug> or AUTHLEDGER_VAULT");
  return { organization: requireOrganization(settings), vault: String(vault) };
}

/** @throws LedgerError USAGE */
export function requireOrganization({ tenant }: Settings): string {
  const { organization } = tenant;
  if (organization !== undefined) return String(organization);
  throw usage("no organization: give --org <slug> or AUTHLEDGER_ORG");
}
