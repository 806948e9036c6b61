/** What a command works with. */
import type { CallOptions, ClientOptions, LedgerClient } from "@authledger/sdk";
import type { Printer } from "../output/printer.js";
import type { CliIo } from "./cli-io.js";
import type { Settings } from "./settings.js";

/** Options of a command, as commander gives them. */
export type Flags = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

export interface Run {
  readonly io: CliIo;
  readonly settings: Settings;
  readonly print: Pick<Printer, "one" | "many">;
  readonly flags: Flags;
  /** Of every call: Ctrl-C, request id. */
  readonly call: CallOptions;
  /** Made when first asked for, closed when the command ends. */
  client(more?: Partial<ClientOptions>): Promise<LedgerClient>;
  /** A note to the person, unless --quiet. */
  say(text: string): void;
}
