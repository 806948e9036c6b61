/** Real processes of the built command line, for tests: a clean clone builds before it tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { runCli } from "../../src/cli.js";
import type { CliIo } from "../../src/run/cli-io.js";

const MAIN = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const READY = /^listening grpc=(\S+) http=(\S+) pid=([0-9]+)$/m;
const READY_MS_MAX = 30_000;

/** Contexts, pins and caches of the person who runs the tests are none of theirs. */
const HOMELESS = {
  HOME: "/nowhere",
  XDG_CONFIG_HOME: "/dev/null/config",
  XDG_STATE_HOME: "/dev/null/state",
  XDG_CACHE_HOME: "/dev/null/cache",
};

export interface Ended {
  /** Exit code, or the signal's name. */
  readonly end: number | string;
  readonly out: string;
  readonly err: string;
}

export interface NodeUnderTest {
  readonly grpc: string;
  readonly http: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Sends the signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Ended>;
  readonly ended: Promise<Ended>;
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
}

/** What only a command in this process can be given. */
export interface CliHereOptions extends CliOptions {
  readonly signal?: AbortSignal;
  readonly ask?: CliIo["ask"];
}

/** The command line in this process, on a real node: much faster than a process for each command. */
export async function cliHere(
  args: readonly string[],
  options: CliHereOptions = {},
): Promise<Ended> {
  const output = { out: "", err: "" };
  const bytes = Buffer.from(options.input ?? "");
  const end = await runCli(args, {
    out: async (text) => {
      output.out += text;
    },
    outBytes: async (part) => {
      output.out += Buffer.from(part).toString("utf8");
    },
    err: (text) => {
      output.err += text;
    },
    input: (async function* () {
      yield bytes;
    })(),
    env: { ...HOMELESS, ...options.env },
    isErrTerminal: false,
    ask: options.ask,
    signal: options.signal ?? new AbortController().signal,
  });
  return { end, ...output };
}

/** Runs a command to its end, as a process. */
export function cli(args: readonly string[], options: CliOptions = {}): Promise<Ended> {
  const { child, ended } = launch(args, options.env);
  child.stdin!.end(options.input ?? "");
  return ended;
}

/** The same with standard output in a file, such as /dev/full. */
export async function cliInto(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const file = openSync(path, "w");
  try {
    const { child, ended } = run(args, env, file);
    child.stdin!.end();
    return await ended;
  } finally {
    closeSync(file);
  }
}

/** Starts a node and waits until it serves. @throws what the node said when it ended instead */
export async function startNode(
  data: string,
  more: readonly string[] = [],
  start: typeof run = launch,
): Promise<NodeUnderTest> {
  const any = "127.0.0.1:0";
  const args = ["start", "--data", data, "--listen", any, "--http", any, ...more];
  const { child, ended, output } = start(args);
  child.stdin!.end();
  const ready = new Promise<RegExpExecArray>((resolve) => {
    child.stdout!.on("data", () => {
      const match = READY.exec(output.out);
      if (match !== null) resolve(match);
    });
  });
  const failed = ended.then(({ end, err }) => {
    throw new Error(`the node ended (${end}): ${err}`);
  });
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error(`not ready: ${output.err}`)), READY_MS_MAX).unref();
  });
  const [, grpc = "", http = "", pid = ""] = await Promise.race([ready, failed, late]);
  failed.catch(() => undefined);
  const end = (signal: NodeJS.Signals): Promise<Ended> => {
    child.kill(signal);
    return ended;
  };
  return { grpc, http, pid: Number(pid), child, end, ended };
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly output: { out: string; err: string };
}

/** Starts a command whose end is not waited for; it ends with the test. */
export function launch(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const running = run(args, env);
  const { child, ended } = running;
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended.catch(() => undefined);
  });
  return running;
}

/** The same, and who starts it ends it: for what many tests share. */
export function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  stdout: number | "pipe" = "pipe",
): Running {
  if (!existsSync(MAIN)) throw new Error("build first: npm run build");
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...HOMELESS, ...env },
    stdio: ["pipe", stdout, "pipe"],
  });
  const output = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output.out += text;
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    output.err += text;
  });
  child.stdin!.on("error", () => undefined);
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ end: code ?? signal ?? "", ...output }));
  });
  return { child, ended, output };
}
