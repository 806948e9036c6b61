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
import { escapeControls } from "../output/table.js";
import { diagnose } from "./probe.js";
import type { Settings } from "./settings.js";

/** What was being done. */
export interface ErrorContext {
  /** `tuple write`. */
  readonly command: string;
  /** Absent when the command line itself is wrong. */
  readonly settings?: Settings | undefined;
}

const TEXT_CHARACTERS_MAX = 1_000;
/** Facts that are shown elsewhere, or are too long for a line. */
const HIDDEN_FACTS = new Set(["requestId", "endpoint", "trusted", "received", "stack"]);

export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof AssertionError) return ExitCode.BUG;
  return ExitCode[LedgerError.from(thrown).row.exit];
}

/** The whole message, with its line feeds. */
export async function describeError(thrown: unknown, context: ErrorContext): Promise<string> {
  const error = LedgerError.from(thrown);
  const lines =
    error instanceof UnreachableError ? await unreachable(error, context) : other(error, context);
  if (context.settings?.isVerbose === true) lines.push(...stackOf(thrown));
  return lines.map((line) => `${escapeControls(line)}\n`).join("");
}

async function unreachable(error: UnreachableError, { command }: ErrorContext): Promise<string[]> {
  const found = await Promise.all(error.endpoints.map(diagnose));
  const width = Math.max(...found.map(({ endpoint }) => endpoint.length));
  const count = `${found.length} endpoint${found.length === 1 ? "" : "s"}`;
  const advice = [...new Set(found.map((one) => one.advice))].slice(0, 2).join("; ");
  return [
    `error[${error.code}]: cannot reach any of ${count} for "${command}"`,
    ...found.map(({ endpoint, cause }) => `  ${endpoint.padEnd(width)}  ${cause}`),
    lastLine(error, advice),
  ];
}

function other(error: LedgerError, context: ErrorContext): string[] {
  const message = error.message.slice(0, TEXT_CHARACTERS_MAX);
  return [
    `error[${error.code}]: ${message}`,
    `  in: ${placeOf(error, context)}`,
    `  cause: ${error.row.summary}${factsOf(error)}`,
    lastLine(error, adviceOf(error, context)),
  ];
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

function factsOf({ details }: LedgerError): string {
  const facts = Object.entries(details)
    .filter(([name]) => !HIDDEN_FACTS.has(name))
    .map(([name, value]) => `${name}=${String(value).slice(0, 200)}`);
  return facts.length === 0 ? "" : ` (${facts.join(", ")})`;
}

function lastLine({ code, details }: LedgerError, advice: string): string {
  const anchor = code.toLowerCase().replaceAll("_", "-");
  const id = details["requestId"];
  const docs = `docs: errors#${anchor}`;
  return `  try: ${advice}     ${docs}${id === undefined ? "" : `   id: ${String(id)}`}`;
}

function stackOf(thrown: unknown): string[] {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  return stack.split("\n").map((line) => `  ${line}`);
}
