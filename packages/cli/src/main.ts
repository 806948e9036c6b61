/** The process around the command line. */
import { once } from "node:events";
import process from "node:process";
import type { Writable } from "node:stream";
import { runCli } from "./cli.js";

const abort = new AbortController();
process.once("SIGINT", () => abort.abort("interrupted"));
process.once("SIGTERM", () => abort.abort("terminated"));
// A reader that has seen enough, such as `head`, closes the pipe: that is no error of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

process.exitCode = await runCli(process.argv.slice(2), {
  out: (text) => write(process.stdout, text),
  outBytes: (bytes) => write(process.stdout, bytes),
  err: (text) => process.stderr.write(text),
  input: process.stdin,
  env: process.env,
  isErrTerminal: process.stderr.isTTY === true && process.env["TERM"] !== "dumb",
  signal: abort.signal,
});
// Standard input that nobody read would keep the process alive.
process.stdin.destroy();

async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  if (!stream.write(data)) await once(stream, "drain");
}
