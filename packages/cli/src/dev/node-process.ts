/** A node as a process of its own, for development: started, watched and stopped by the command that runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { isErrorCode, LedgerError } from "@authledger/types";

const READY = /^listening grpc=(\S+) http=(\S+) connect=(\S+) pid=[0-9]+$/m;
const FAILED = /^error\[([A-Z_]+)\]: (.*)$/m;
/** Replaying a long log takes its time; a node that says nothing for so long hangs. */
const READY_MS_MAX = 10 * 60_000;
/** More than the node's own patience with running calls. */
const STOP_MS_MAX = 30_000;

export interface NodeProcessOptions {
  readonly data: string;
  readonly listen: string;
  readonly http: string;
  readonly connect: string;
  /** Origins of web pages that may call it. */
  readonly pages: readonly string[];
  /** What the node writes to its standard error, of this start only. */
  readonly logFile: string;
  /** Further options of `authledger start`. */
  readonly more?: readonly string[];
}

export interface NodeProcess {
  readonly pid: number;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly connectAddress: string;
  /** Rejects when the node ends without having been stopped. */
  readonly failed: Promise<never>;
  /** Stops the node cleanly and waits for its end. */
  stop(): Promise<void>;
}

/** @throws LedgerError with the code and the message that the node ended with */
export async function startNodeProcess(options: NodeProcessOptions): Promise<NodeProcess> {
  const { logFile } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, "w");
  const main = fileURLToPath(new URL("../main.js", import.meta.url));
  // The channel tells the node when this process is gone.
  const child = spawn(process.execPath, [main, "start", ...argumentsOf(options)], {
    stdio: ["ignore", "pipe", log, "ipc"],
  });
  closeSync(log);
  const ended = endOf(child);
  const [, grpcAddress, httpAddress, connectAddress] = await ready(child, ended, logFile);
  let isStopping = false;
  const failed = ended.then((how) => {
    if (!isStopping) throw failureOf(how, logFile);
    return new Promise<never>(() => undefined);
  });
  failed.catch(() => undefined);
  return {
    pid: child.pid!,
    grpcAddress: grpcAddress!,
    httpAddress: httpAddress!,
    connectAddress: connectAddress!,
    failed,
    stop: async () => {
      isStopping = true;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      await ended;
      clearTimeout(timer);
    },
  };
}

function argumentsOf(options: NodeProcessOptions): readonly string[] {
  const { data, listen, http, connect, pages, more = [] } = options;
  const where = ["--data", data, "--listen", listen, "--http", http, "--connect", connect];
  // Last: it takes all that follows.
  return [...where, ...more, ...(pages.length === 0 ? [] : ["--cors-origin", ...pages])];
}

/** Exit code or signal, as text. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

async function ready(
  child: ChildProcess,
  ended: Promise<string>,
  logFile: string,
): Promise<RegExpExecArray> {
  let timer: NodeJS.Timeout | undefined;
  const line = new Promise<RegExpExecArray>((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (bytes: Buffer) => {
      text += bytes.toString("utf8");
      const match = READY.exec(text);
      if (match !== null) resolve(match);
    });
    timer = setTimeout(() => reject(failureOf("no answer", logFile)), READY_MS_MAX);
  });
  const failed = ended.then((how) => {
    throw failureOf(how, logFile);
  });
  try {
    return await Promise.race([line, failed]);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What the node itself said, if it said something. */
function failureOf(how: string, logFile: string): LedgerError {
  const [, code = "", message = ""] = FAILED.exec(readFileSync(logFile, "utf8")) ?? [];
  const details = { log: logFile };
  if (isErrorCode(code)) return new LedgerError(code, message, { details });
  return new LedgerError("INTERNAL", `the node ended (${how}); see ${logFile}`, { details });
}
