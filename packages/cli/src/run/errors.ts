/**
 * Errors as people see them: what failed, which thing, the likely cause, what to do next; with the code, where it
 * is documented, and the request's id.
 *
 *     error[UNAVAILABLE]: cannot reach any of 1 endpoint for "check"
 *       127.0.0.1:7400  connection refused: nothing listens on this port
 *       try: authledger start --listen 127.0.0.1:7400     docs: errors#unavailable   id: 01J...
 */
import { UnreachableError } from "@authledger/sdk";
import { AssertionError, ExitCode, LedgerError } from "@authledger/types";
import type { JsonValue } from "../output/json-value.js";
import { PLAIN } from "../output/style.js";
import { escapeControls } from "../output/table.js";
import type { CliIo } from "./cli-io.js";
import type { Look } from "./look.js";
import { jsonNote } from "./notes.js";
import { diagnose, diagnoseAnswer } from "./probe.js";
import type { Settings } from "./settings.js";

/** What was being done. */
export interface ErrorContext {
  /** `tuple write`. */
  readonly command: string;
  /** Absent when the command line itself is wrong. */
  readonly settings?: Settings | undefined;
  readonly look?: Look | undefined;
  /** Proxies are found in it. */
  readonly env?: CliIo["env"] | undefined;
}

const TEXT_CHARACTERS_MAX = 1_000;
/** Facts that are shown elsewhere, or are too long for a line. */
const HIDDEN_FACTS = new Set(["requestId", "endpoint", "trusted", "received", "stack"]);

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof AssertionError) return ExitCode.BUG;
  return ExitCode[LedgerError.from(thrown).row.exit];
}

/** What Node throws out of a pause or a question that Ctrl-C or a signal ended is no bug: somebody wanted it. */
export function orCancelled(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || thrown.name !== "AbortError") return thrown;
  return new LedgerError("CANCELLED", "the command was interrupted", { cause: thrown });
}

/** An error with everything that is known about it. */
interface ErrorReport {
  readonly code: string;
  readonly message: string;
  /** Lines under the first: where, and why. */
  readonly about: readonly string[];
  readonly advice: string;
  /** For programs. */
  readonly facts: Readonly<Record<string, JsonValue>>;
}

/** The whole message, with its line feeds. */
export async function describeError(thrown: unknown, context: ErrorContext): Promise<string> {
  const error = LedgerError.from(thrown);
  const report =
    error instanceof UnreachableError
      ? await unreachable(error, context)
      : await other(error, context);
  const stack = context.settings?.isVerbose === true ? stackOf(thrown) : [];
  if (context.look?.logFormat === "json") return errorLine(error, report, stack);
  const [first = "", ...rest] = [
    `error[${report.code}]: ${report.message}`,
    ...report.about.map((line) => `  ${line}`),
    lastLine(error, report.advice),
    ...stack,
  ].map(escapeControls);
  const label = `error[${report.code}]`;
  const head = (context.look?.err ?? PLAIN)("red", label) + first.slice(label.length);
  return [head, ...rest].map((line) => `${line}\n`).join("");
}

/** The same as one line of JSON. */
function errorLine(error: LedgerError, report: ErrorReport, stack: readonly string[]): string {
  const id = error.details["requestId"];
  return jsonNote("error", {
    code: report.code,
    msg: report.message,
    exit_code: exitCodeOf(error),
    about: report.about,
    try: report.advice,
    docs: docsOf(error),
    ...(id !== undefined && { request_id: String(id) }),
    ...report.facts,
    ...(stack.length > 0 && { stack }),
  });
}

async function unreachable(error: UnreachableError, context: ErrorContext): Promise<ErrorReport> {
  const env = context.env ?? {};
  const isTls = context.settings?.access.tls !== undefined;
  const found = await Promise.all(error.endpoints.map((one) => diagnose(one, env, isTls)));
  const width = Math.max(...found.map(({ endpoint }) => endpoint.length));
  const count = `${found.length} endpoint${found.length === 1 ? "" : "s"}`;
  const advice = [...new Set(found.map((one) => one.advice))].slice(0, 2).join("; ");
  return {
    code: error.code,
    message: `cannot reach any of ${count} for "${context.command}"`,
    about: found.map(({ endpoint, cause }) => `${endpoint.padEnd(width)}  ${cause}`),
    advice,
    facts: { endpoints: found.map(({ endpoint, cause }) => ({ endpoint, cause })) },
  };
}

async function other(error: LedgerError, context: ErrorContext): Promise<ErrorReport> {
  const facts = factsOf(error);
  const found = await diagnoseAnswer(error, context.settings?.endpoints ?? []);
  return {
    code: error.code,
    message: error.message.slice(0, TEXT_CHARACTERS_MAX),
    about: [
      `in: ${placeOf(error, context)}`,
      `cause: ${found?.cause ?? error.row.summary}${facts.length === 0 ? "" : ` (${facts.map(([name, value]) => `${name}=${value}`).join(", ")})`}`,
    ],
    advice: found?.advice ?? adviceOf(error, context),
    facts: { details: Object.fromEntries(facts) },
  };
}

function adviceOf({ code, row }: LedgerError, { command }: ErrorContext): string {
  if (code !== "USAGE") return row.action;
  return command === "" ? "authledger --help" : `authledger ${command} --help`;
}

/** Command, endpoint and tenant. */
function placeOf({ details }: LedgerError, { command, settings }: ErrorContext): string {
  const endpoint = details["endpoint"] ?? settings?.endpoints.join(",");
  const { organization, vault } = settings?.tenant ?? {};
  const parts = [command === "" ? "the command line" : `"${command}"`];
  if (endpoint !== undefined) parts.push(`at ${String(endpoint)}`);
  if (organization !== undefined) parts.push(`organization ${String(organization)}`);
  if (vault !== undefined) parts.push(`vault ${String(vault)}`);
  return parts.join(", ");
}

function factsOf({ details }: LedgerError): [string, string][] {
  return Object.entries(details)
    .filter(([name]) => !HIDDEN_FACTS.has(name))
    .map(([name, value]) => [name, String(value).slice(0, 200)]);
}

function lastLine(error: LedgerError, advice: string): string {
  const id = error.details["requestId"];
  return `  try: ${advice}     docs: ${docsOf(error)}${id === undefined ? "" : `   id: ${String(id)}`}`;
}

/** Where docs/errors.md explains the error. */
function docsOf({ code }: LedgerError): string {
  return `errors#${code.toLowerCase().replaceAll("_", "-")}`;
}

function stackOf(thrown: unknown): string[] {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  return stack.split("\n").map((line) => `  ${line}`);
}
