/** What a command is told by flags and environment: flag > environment > default. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import {
  type CallOptions,
  type ClientOptions,
  FileRoots,
  type Tenant,
  type VerifyOptions,
} from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { OUTPUT_FORMATS, type OutputFormat } from "../output/printer.js";
import type { CliIo } from "./cli-io.js";

export const ENDPOINT_DEFAULT = "127.0.0.1:7400";

/** The options that every command has, as commander gives them. */
export interface GlobalFlags {
  readonly endpoint?: string;
  readonly org?: string;
  readonly vault?: string;
  readonly output?: string;
  readonly timeout?: string;
  readonly requestId?: string;
  readonly verify?: boolean;
  readonly anchor?: string;
  readonly trustOnFirstUse?: boolean;
  readonly pins?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

export interface Settings {
  readonly endpoints: readonly string[];
  readonly tenant: Partial<Tenant>;
  readonly format: OutputFormat;
  readonly deadlineMs: number | undefined;
  readonly requestId: string | undefined;
  readonly isVerifying: boolean;
  readonly anchorFile: string | undefined;
  readonly trustOnFirstUse: boolean;
  /** Directory of the pinned roots. */
  readonly pins: string;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
}

/** @throws LedgerError USAGE */
export function settingsOf(flags: GlobalFlags, env: CliIo["env"]): Settings {
  const anchorFile = flags.anchor ?? env["AUTHLEDGER_ANCHOR"];
  const organization = flags.org ?? env["AUTHLEDGER_ORG"];
  const vault = flags.vault ?? env["AUTHLEDGER_VAULT"];
  const endpoint = flags.endpoint ?? env["AUTHLEDGER_ENDPOINT"] ?? ENDPOINT_DEFAULT;
  return {
    endpoints: endpoint.split(",").map((one) => one.trim()),
    tenant: { ...(organization && { organization }), ...(vault && { vault }) },
    format: formatOf(flags.output ?? env["AUTHLEDGER_OUTPUT"] ?? "table"),
    deadlineMs: flags.timeout === undefined ? undefined : millisecondsOf(flags.timeout),
    requestId: flags.requestId,
    isVerifying: flags.verify ?? (flags.anchor !== undefined || flags.trustOnFirstUse === true),
    anchorFile,
    trustOnFirstUse: flags.trustOnFirstUse ?? false,
    pins: flags.pins ?? env["AUTHLEDGER_PINS"] ?? join(stateHome(env), "authledger", "pins"),
    isQuiet: flags.quiet ?? false,
    isVerbose: flags.verbose ?? false,
  };
}

/** What the SDK is told. @throws LedgerError IO_READ_FAILED for an anchor's file */
export async function clientOptions(settings: Settings): Promise<ClientOptions> {
  const { endpoints, deadlineMs, isVerifying } = settings;
  const { organization = "0", vault = "0" } = settings.tenant;
  return {
    endpoints,
    tenant: { organization, vault },
    deadlineMs,
    verify: isVerifying ? await verifyOptions(settings) : undefined,
  };
}

async function verifyOptions(settings: Settings): Promise<VerifyOptions> {
  const { anchorFile, trustOnFirstUse, pins } = settings;
  const anchor = anchorFile === undefined ? undefined : await readText(anchorFile);
  return { anchor, trustOnFirstUse, pinnedRoots: new FileRoots(pins) };
}

/** What each call is told. */
export function callOptions({ requestId }: Settings, { signal }: CliIo): CallOptions {
  return { signal, ...(requestId !== undefined && { requestId }) };
}

/** A whole number from 0. @throws LedgerError USAGE */
export function wholeOf(text: string, flag: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw usage(`--${flag} "${text}" is not a whole number`);
}

/** `250ms`, `5s`, `2m` or milliseconds. @throws LedgerError USAGE */
function millisecondsOf(text: string): number {
  const match = /^([0-9]{1,9})(ms|s|m)?$/.exec(text);
  if (match === null) throw usage(`--timeout "${text}" is not a time such as 250ms, 5s or 2m`);
  const unit = { ms: 1, s: 1_000, m: 60_000 }[match[2] ?? "ms"] ?? 1;
  return Number(match[1]) * unit;
}

export function usage(message: string): LedgerError {
  return new LedgerError("USAGE", message);
}

/** @throws LedgerError IO_READ_FAILED */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const details = { path };
    throw new LedgerError("IO_READ_FAILED", `cannot read ${path}: ${why}`, { details, cause });
  }
}

function formatOf(text: string): OutputFormat {
  const found = OUTPUT_FORMATS.find((format) => format === text);
  if (found !== undefined) return found;
  throw usage(`-o "${text}" is not one of ${OUTPUT_FORMATS.join(", ")}`);
}

function stateHome(env: CliIo["env"]): string {
  return env["XDG_STATE_HOME"] ?? join(env["HOME"] ?? homedir(), ".local", "state");
}
