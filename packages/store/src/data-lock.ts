/**
 * Who holds a data directory: one process at a time (L-181).
 *
 * Node has no flock. Two things together do the job: an abstract unix socket named after the directory, which
 * the kernel frees when its process dies, and a file LOCK that names the holder for people. The socket
 * decides; where abstract sockets are missing (not Linux) the file does, by process id and start time.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LedgerError } from "@authledger/types";

interface Holder {
  readonly pid: number;
  readonly host: string;
  /** When the process started, in clock ticks since boot: a reused process id has another. */
  readonly startTicks: string;
}

export class DataLock {
  readonly #file: string;
  readonly #socket: Server | undefined;
  #released = false;

  private constructor(file: string, socket: Server | undefined) {
    this.#file = file;
    this.#socket = socket;
  }

  /** @throws LedgerError DATA_DIR_IN_USE naming the holder */
  static async acquire(directory: string): Promise<DataLock> {
    const file = join(directory, "LOCK");
    const socket = process.platform === "linux" ? await listen(directory, file) : undefined;
    if (socket === undefined && isHolderAlive(file)) throw inUse(directory, file);
    const holder: Holder = {
      pid: process.pid,
      host: hostname(),
      startTicks: startTicksOf(process.pid) ?? "",
    };
    writeFileSync(file, `${JSON.stringify(holder)}\n`, { mode: 0o644 });
    return new DataLock(file, socket);
  }

  /** Who of this machine has the directory, in words; undefined when nobody does. Takes nothing. */
  static holderOf(directory: string): string | undefined {
    const file = join(directory, "LOCK");
    const holder = readHolder(file);
    if (holder === undefined || !isHolderAlive(file)) return undefined;
    return `process ${holder.pid} on ${holder.host}`;
  }

  /** Gives the directory up; a second time is nothing. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    rmSync(this.#file, { force: true });
    await new Promise<void>((resolve) => {
      if (this.#socket === undefined) resolve();
      else this.#socket.close(() => resolve());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

function listen(directory: string, file: string): Promise<Server> {
  const name = createHash("sha256").update(realpathSync(directory)).digest("hex").slice(0, 32);
  const server = createServer((connection) => connection.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "EADDRINUSE" ? inUse(directory, file) : error);
    });
    server.listen(`\0authledger-${name}`, () => resolve(server));
  });
}

function inUse(directory: string, file: string): LedgerError {
  const holder = readHolder(file);
  const who = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
  return new LedgerError("DATA_DIR_IN_USE", `${directory} is held by ${who}`, {
    details: { directory, ...(holder && { pid: holder.pid }) },
  });
}

function readHolder(file: string): Holder | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const holder: unknown = JSON.parse(readFileSync(file, "utf8"));
    return isHolder(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}

function isHolder(value: unknown): value is Holder {
  return (
    typeof value === "object" && value !== null && "pid" in value && typeof value.pid === "number"
  );
}

function isHolderAlive(file: string): boolean {
  const holder = readHolder(file);
  if (holder === undefined || holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
  } catch {
    return false;
  }
  const ticks = startTicksOf(holder.pid);
  return ticks === undefined || ticks === holder.startTicks;
}

/** Field 22 of /proc/<pid>/stat, counted behind the last parenthesis. */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}
