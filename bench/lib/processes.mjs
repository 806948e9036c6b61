/**
 * Server processes of a benchmark: started, awaited by a line they print, measured through /proc, stopped and
 * never left behind.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const READY_MS_MAX = 30_000;
const STOP_MS_MAX = 30_000;
/** What is kept of a process's output for error messages. */
const OUTPUT_CHARACTERS_MAX = 16_384;
/** USER_HZ of Linux, the unit of /proc/PID/stat. */
const TICKS_PER_SECOND = 100;

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */

/** @type {Set<ChildProcess>} */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
  process.on(signal, () => process.exit(1));
}

/**
 * @typedef {{
 *   readonly pid: number,
 *   readonly ready: RegExpMatchArray,
 *   readonly startedAt: number,
 *   readonly readyAt: number,
 *   stop(): Promise<void>,
 *   kill(): Promise<void>,
 *   output(): string,
 * }} ServerProcess `startedAt`, `readyAt`: performance.now(); `stop`: SIGTERM and a clean exit, else an error; `kill`: SIGKILL
 */

/**
 * Starts a program and waits for a line on its standard output.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ ready: RegExp, readyMs?: number, env?: Readonly<Record<string, string>> }} options
 * @returns {Promise<ServerProcess>}
 */
export async function startServer(command, args, { ready, readyMs = READY_MS_MAX, env = {} }) {
  const startedAt = performance.now();
  const child = spawn(command, [...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  /** @type {Promise<void>} */
  const exited = new Promise((resolve) => {
    child.once("exit", () => {
      running.delete(child);
      resolve();
    });
    child.once("error", () => resolve());
  });
  const match = await awaitLine(child, ready, readyMs, (text) => {
    output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
    return output;
  });
  return {
    pid: Number(child.pid),
    ready: match,
    startedAt,
    readyAt: performance.now(),
    stop: () => stop(child, exited, () => output),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    output: () => output,
  };
}

/**
 * @param {ChildProcess} child
 * @param {RegExp} ready
 * @param {number} readyMs
 * @param {(text: string) => string} collect
 * @returns {Promise<RegExpMatchArray>}
 */
function awaitLine(child, ready, readyMs, collect) {
  return new Promise((resolve, reject) => {
    let text = "";
    /** @param {string} why */
    const fail = (why) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`${child.spawnargs.join(" ")}: ${why}\n${text}`));
    };
    const timer = setTimeout(() => fail(`not ready after ${readyMs} ms`), readyMs);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code, signal) => fail(`ended with ${signal ?? code}`));
    child.stderr?.setEncoding("utf8").on("data", collect);
    child.stdout?.setEncoding("utf8").on("data", (part) => {
      text = collect(part);
      const match = text.match(ready);
      if (match === null) return;
      clearTimeout(timer);
      resolve(match);
    });
  });
}

/**
 * @param {ChildProcess} child
 * @param {Promise<void>} exited
 * @param {() => string} output
 */
async function stop(child, exited, output) {
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
  child.kill("SIGTERM");
  await exited;
  clearTimeout(timer);
  if (child.exitCode === 0) return;
  throw new Error(`did not stop cleanly (${child.signalCode ?? child.exitCode})\n${output()}`);
}

/**
 * CPU time of all threads of a process, living and ended, in milliseconds, to 10 ms.
 *
 * @param {number} pid
 */
export function cpuMillis(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name of the program, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_PER_SECOND;
}

/**
 * Memory of a process in bytes: now, and the most it ever had.
 *
 * @param {number} pid
 */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  /** @param {string} name */
  const bytes = (name) =>
    Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1]) * 1_024;
  return { residentBytes: bytes("VmRSS"), residentBytesMax: bytes("VmHWM") };
}

/**
 * Makes `residentBytesMax` the most from now on.
 *
 * @param {number} pid
 */
export function forgetMemoryPeak(pid) {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/**
 * Bytes that a process caused to be written to storage.
 *
 * @param {number} pid
 */
export function bytesWritten(pid) {
  const io = readFileSync(`/proc/${pid}/io`, "latin1");
  return Number(io.match(/^write_bytes: (\d+)/m)?.[1]);
}

/**
 * Threads of a process, so that a report can say whether one loop is what was measured.
 *
 * @param {number} pid
 */
export function threads(pid) {
  return readdirSync(`/proc/${pid}/task`).length;
}
