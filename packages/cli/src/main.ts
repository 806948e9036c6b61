/** The process around the command line. */
import process from "node:process";
import { createInterface } from "node:readline/promises";
import type { Writable } from "node:stream";
import { ExitCode } from "@authledger/types";
import { runCli } from "./cli.js";
import type { Terminal } from "./run/cli-io.js";
import { dropTlsNameWarning } from "./run/tls-name-warning.js";
import { writeFailed } from "./run/write-failed.js";
import { writeLater } from "./run/write-later.js";

dropTlsNameWarning(process);
const abort = new AbortController();
// A second signal finds no handler, and ends the process at once.
process.once("SIGINT", () => abort.abort("interrupted"));
process.once("SIGTERM", () => abort.abort("terminated"));
// Started by another command, which has gone: a node without its owner would hold its data for ever.
if (process.channel !== undefined) process.once("disconnect", () => abort.abort("parent gone"));
// A reader that has seen enough, such as `head`, closes the pipe: that is no error of ours. All else `write` throws.
process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
  if (code === "EPIPE") process.exit(ExitCode.OK);
});
// There is nobody left to tell; the exit code says what became of the command.
process.stderr.on("error", () => undefined);
process.on("uncaughtException", (error) => {
  process.stderr.write(`error[INTERNAL]: ${error.stack ?? error.message}\n`);
  process.exit(ExitCode.BUG);
});

const exitCode = await runCli(process.argv.slice(2), {
  out: write,
  outBytes: write,
  err: (text) => process.stderr.write(text),
  errLater: (text) => writeLater(process.stderr.fd, text),
  input: process.stdin,
  env: process.env,
  isErrTerminal: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
  terminal: terminalOf(process.stdout),
  ask: process.stdin.isTTY && process.stderr.isTTY ? ask : undefined,
  signal: abort.signal,
});
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(exitCode);

function terminalOf(stream: typeof process.stdout): Terminal | undefined {
  if (!stream.isTTY || process.env["TERM"] === "dumb") return undefined;
  return {
    size: () => ({ columns: stream.columns || 80, rows: stream.rows || 24 }),
    onResize: (listener) => {
      stream.on("resize", listener);
      return () => void stream.removeListener("resize", listener);
    },
  };
}

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question, { signal: abort.signal });
  } finally {
    lines.close();
  }
}

/** Data, to standard output. @throws LedgerError (by rejection) IO_WRITE_FAILED, DISK_FULL */
function write(data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(data, (error?: NodeJS.ErrnoException | null) => {
      if (!error) resolve();
      // The handler above ends the process for the other one.
      else if (error.code !== "EPIPE") reject(writeFailed("standard output", error));
    });
  });
}

function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}
