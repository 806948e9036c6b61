/** The frame around every command: settings, one client, output, and errors with what was being done. */
import { type ClientOptions, createClient, type LedgerClient } from "@authledger/sdk";
import type { Command } from "commander";
import { type ContextFile, NO_CONTEXTS } from "../contexts/context-file.js";
import { ContextStore } from "../contexts/context-store.js";
import { Printer } from "../output/printer.js";
import type { CliIo } from "./cli-io.js";
import { type Look, lookOf } from "./look.js";
import { noteWriter } from "./notes.js";
import type { Flags, Run } from "./run.js";
import {
  callOptions,
  clientOptions,
  type GlobalFlags,
  type Settings,
  settingsOf,
  usage,
} from "./settings.js";
import { watch } from "./watch.js";

export type { Run } from "./run.js";

/** Answers the exit code; nothing means 0. */
export type Handler = (run: Run, ...args: string[]) => Promise<number | undefined>;

/** What became of the command line. */
export interface Outcome {
  exitCode: number;
  /** What was run, for the error message. */
  command: string;
  settings: Settings | undefined;
  /** How messages look; known before the settings are. */
  look: Look | undefined;
}

/** Registers commands on a commander program and keeps what became of them. */
export class CommandFrame {
  readonly outcome: Outcome = {
    exitCode: 0,
    command: "",
    settings: undefined,
    look: undefined,
  };
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
    const startMs = performance.now();
    this.outcome.command = nameOf(command);
    const flags = command.optsWithGlobals<Flags & GlobalFlags>();
    const look = lookOf(flags, this.#io);
    this.outcome.look = look;
    const settings = settingsOf(flags, this.#io.env, await this.#contexts(flags));
    this.outcome.settings = settings;
    const io: CliIo = {
      ...this.#io,
      err: noteWriter(this.#io.err, look.logFormat),
      isErrTerminal: this.#io.isErrTerminal && look.logFormat === "text",
    };
    const clients = new Clients(settings);
    const run: Run = {
      io,
      settings,
      flags,
      print: new Printer(settings.format, io.out, { field: settings.field, style: look.out }),
      call: callOptions(settings, io),
      client: (more) => clients.open(more),
      say: (text) => {
        if (!settings.isQuiet) io.err(`${text}\n`);
      },
    };
    try {
      const isWatching = flags["watch"] === true;
      const exitCode = isWatching
        ? await watch(run, look.out, (one) => handler(one, ...args))
        : await handler(run, ...args);
      this.outcome.exitCode = exitCode ?? 0;
    } finally {
      clients.close();
      if (settings.isVerbose) io.err(`${aboutRun(settings, performance.now() - startMs)}\n`);
    }
  }

  /** A command that needs no node runs although the file of contexts is damaged. */
  async #contexts(flags: GlobalFlags): Promise<ContextFile> {
    const store = new ContextStore(this.#io.env);
    const isLocal = LOCAL_COMMANDS.has(this.outcome.command.split(" ")[0]!);
    if (isLocal && flags.context === undefined) return store.load().catch(() => NO_CONTEXTS);
    return store.load();
  }
}

/** Commands that take nothing from contexts. */
const LOCAL_COMMANDS = new Set(
  "start dev quickstart debug compact completion __complete cheat help schema".split(" "),
);

/** The clients of one command. Those that are told nothing more are one and the same. */
class Clients {
  readonly #settings: Settings;
  readonly #all: LedgerClient[] = [];
  #usual: LedgerClient | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  async open(more?: Partial<ClientOptions>): Promise<LedgerClient> {
    if (more === undefined && this.#usual !== undefined) return this.#usual;
    const client = createClient({ ...(await clientOptions(this.#settings)), ...more });
    this.#all.push(client);
    if (more === undefined) this.#usual = client;
    return client;
  }

  close(): void {
    for (const client of this.#all) client.close();
  }
}

/** What -v adds at the end. */
function aboutRun({ endpoints, context, sources }: Settings, ms: number): string {
  const from = sources.endpoint.source === "default" ? "by default" : sources.endpoint.sourceName;
  const name = context === undefined ? "no context" : `context ${context}`;
  return `${Math.round(ms)} ms; endpoint ${endpoints.join(",")} (${from}); ${name}`;
}

/** `tuple write`, without the program's own name. */
function nameOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at?.parent; at = at.parent) names.unshift(at.name());
  return names.join(" ");
}

/** A flag with a text. */
export function textFlag({ flags }: Pick<Run, "flags">, name: string): string | undefined {
  const value = flags[name];
  return typeof value === "string" ? value : undefined;
}

/** A flag or an environment variable that a command cannot do without. @throws LedgerError USAGE */
export function requireTenant({ settings }: Run): { organization: string; vault: string } {
  const { vault } = settings.tenant;
  if (vault === undefined) {
    throw usage("no vault: give --vault <slug> or AUTHLEDGER_VAULT, or set a context");
  }
  return { organization: requireOrganization(settings), vault: String(vault) };
}

/** @throws LedgerError USAGE */
export function requireOrganization({ tenant }: Settings): string {
  const { organization } = tenant;
  if (organization !== undefined) return String(organization);
  throw usage("no organization: give --org <slug> or AUTHLEDGER_ORG, or set a context");
}
