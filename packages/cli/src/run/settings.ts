/** What a command is told: flag > environment > context > default. */
import { homedir } from "node:os";
import { join } from "node:path";
import {
  type CallOptions,
  type ClientOptions,
  FileRoots,
  type Tenant,
  type VerifyOptions,
} from "@authledger/sdk";
import { LedgerError, suggestion } from "@authledger/types";
import {
  type Context,
  type ContextFile,
  type ContextKey,
  NO_CONTEXTS,
} from "../contexts/context-file.js";
import { OUTPUT_FORMATS, type OutputFormat } from "../output/printer.js";
import { type AccessSettings, accessOptions, accessSettings } from "./access.js";
import type { CliIo } from "./cli-io.js";
import { readText } from "./read-text.js";
import { anchorSource, type Sourced, type SourceInput, sourceOf, tokenSource } from "./sources.js";

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
  readonly token?: string;
  readonly tokenFile?: string;
  readonly tokenOverPlaintext?: boolean;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsServerName?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly field?: string;
  readonly context?: string;
  readonly color?: string;
  readonly logFormat?: string;
}

export interface Settings {
  readonly endpoints: readonly string[];
  readonly tenant: Partial<Tenant>;
  readonly format: OutputFormat;
  /** The format was asked for, not taken by default. */
  readonly isFormatGiven: boolean;
  /** Path of the one field that is wanted. */
  readonly field: string | undefined;
  readonly deadlineMs: number | undefined;
  readonly requestId: string | undefined;
  readonly isVerifying: boolean;
  readonly anchorFile: string | undefined;
  readonly trustOnFirstUse: boolean;
  /** Directory of the pinned roots. */
  readonly pins: string;
  readonly access: AccessSettings;
  readonly isQuiet: boolean;
  readonly isVerbose: boolean;
  /** Name of the context that is in effect. */
  readonly context: string | undefined;
  /** Where everything that a context can hold comes from. */
  readonly sources: Readonly<Record<ContextKey | "context", Sourced>>;
}

/**
 * @param contexts what the file of contexts holds
 * @throws LedgerError USAGE, CONTEXT_NOT_FOUND
 */
export function settingsOf(
  flags: GlobalFlags,
  env: CliIo["env"],
  contexts: ContextFile = NO_CONTEXTS,
): Settings {
  const chosen = contextSource(flags, env, contexts);
  const sources = { context: chosen, ...sourcesOf(flags, env, namedContext(chosen, contexts)) };
  const { organization, vault } = sources;
  const format = flags.output ?? (env["AUTHLEDGER_OUTPUT"] || undefined);
  return {
    endpoints: (sources.endpoint.value ?? ENDPOINT_DEFAULT).split(",").map((one) => one.trim()),
    tenant: {
      ...(organization.value && { organization: organization.value }),
      ...(vault.value && { vault: vault.value }),
    },
    format: formatOf(format ?? "table"),
    isFormatGiven: format !== undefined,
    field: flags.field,
    deadlineMs: flags.timeout === undefined ? undefined : millisecondsOf(flags.timeout, "timeout"),
    requestId: flags.requestId,
    isVerifying: flags.verify ?? (flags.anchor !== undefined || flags.trustOnFirstUse === true),
    anchorFile: sources.anchor.value,
    trustOnFirstUse: flags.trustOnFirstUse ?? false,
    pins: sources.pins.value ?? pinsDefault(env),
    access: accessSettings(sources, flags.tokenOverPlaintext ?? false),
    isQuiet: flags.quiet ?? false,
    isVerbose: flags.verbose ?? false,
    context: chosen.value,
    sources,
  };
}

function contextSource(flags: GlobalFlags, env: CliIo["env"], { current }: ContextFile): Sourced {
  const variable = env["AUTHLEDGER_CONTEXT"] || undefined;
  if (flags.context !== undefined) {
    return { value: flags.context, source: "flag", sourceName: "--context" };
  }
  if (variable !== undefined) {
    return { value: variable, source: "environment", sourceName: "AUTHLEDGER_CONTEXT" };
  }
  const sourceName = current === undefined ? "default" : "context use";
  return { value: current, source: "default", sourceName };
}

function namedContext({ value }: Sourced, { contexts }: ContextFile): SourceInput["context"] {
  if (value === undefined) return undefined;
  const values = contexts.get(value);
  if (values !== undefined) return { name: value, values };
  const hint = suggestion(value, [...contexts.keys()]);
  const message = `there is no context "${value.slice(0, 80)}"${hint}`;
  throw new LedgerError("CONTEXT_NOT_FOUND", message, { details: { context: value } });
}

function sourcesOf(
  flags: GlobalFlags,
  env: CliIo["env"],
  context: SourceInput["context"],
): Readonly<Record<ContextKey, Sourced>> {
  const input: SourceInput = {
    flags: contextFlags(flags),
    env,
    context,
    defaults: { endpoint: ENDPOINT_DEFAULT, pins: pinsDefault(env) },
  };
  return {
    endpoint: sourceOf("endpoint", input),
    organization: sourceOf("organization", input),
    vault: sourceOf("vault", input),
    anchor: anchorSource(input),
    pins: sourceOf("pins", input),
    token: tokenSource("token", input),
    token_file: tokenSource("token_file", input),
    tls_ca: sourceOf("tls_ca", input),
    tls_cert: sourceOf("tls_cert", input),
    tls_key: sourceOf("tls_key", input),
    tls_server_name: sourceOf("tls_server_name", input),
  };
}

/** The flags that a context can stand in for. */
export function contextFlags(flags: GlobalFlags): Context {
  const { endpoint, org, vault, anchor, pins } = flags;
  const { token, tokenFile, tlsCa, tlsCert, tlsKey, tlsServerName } = flags;
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(org !== undefined && { organization: org }),
    ...(vault !== undefined && { vault }),
    ...(anchor !== undefined && { anchor }),
    ...(pins !== undefined && { pins }),
    ...(token !== undefined && { token }),
    ...(tokenFile !== undefined && { token_file: tokenFile }),
    ...(tlsCa !== undefined && { tls_ca: tlsCa }),
    ...(tlsCert !== undefined && { tls_cert: tlsCert }),
    ...(tlsKey !== undefined && { tls_key: tlsKey }),
    ...(tlsServerName !== undefined && { tls_server_name: tlsServerName }),
  };
}

/** What the SDK is told. @throws LedgerError IO_READ_FAILED for a file that is named */
export async function clientOptions(settings: Settings): Promise<ClientOptions> {
  const { endpoints, deadlineMs, isVerifying } = settings;
  const { organization = "0", vault = "0" } = settings.tenant;
  return {
    endpoints,
    tenant: { organization, vault },
    deadlineMs,
    ...(await accessOptions(settings.access)),
    verify: isVerifying ? await verifyOptions(settings) : undefined,
  };
}

/** Where verification begins. @throws LedgerError IO_READ_FAILED for an anchor's file */
export async function verifyOptions(settings: Settings): Promise<VerifyOptions> {
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
export function millisecondsOf(text: string, flag: string): number {
  const match = /^([0-9]{1,9})(ms|s|m)?$/.exec(text);
  if (match === null) throw usage(`--${flag} "${text}" is not a time such as 250ms, 5s or 2m`);
  const unit = { ms: 1, s: 1_000, m: 60_000 }[match[2] ?? "ms"] ?? 1;
  return Number(match[1]) * unit;
}

export function usage(message: string): LedgerError {
  return new LedgerError("USAGE", message);
}

function formatOf(text: string): OutputFormat {
  const found = OUTPUT_FORMATS.find((format) => format === text);
  if (found !== undefined) return found;
  const hint = suggestion(text, OUTPUT_FORMATS);
  throw usage(`-o "${text}" is not one of ${OUTPUT_FORMATS.join(", ")}${hint}`);
}

function pinsDefault(env: CliIo["env"]): string {
  const home = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local", "state");
  return join(home, "authledger", "pins");
}
