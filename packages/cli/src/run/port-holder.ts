/** Which process listens on a port of this machine: for the message about a port that is taken. Linux only. */
import { readdir, readFile, readlink } from "node:fs/promises";

/** State "listening" in /proc/net/tcp, proc(5). */
const LISTEN = "0A";
const COMMAND_CHARACTERS_MAX = 80;

/** `process 123 (node main.js start)`; undefined where it cannot be seen. */
export async function portHolder(port: number): Promise<string | undefined> {
  try {
    const inodes = await listeningSockets(port);
    if (inodes.size === 0) return undefined;
    for (const pid of await readdir("/proc")) {
      if (/^[0-9]+$/.test(pid) && (await hasSocket(pid, inodes))) return await describe(pid);
    }
  } catch {
    // No /proc: the message goes without a name.
  }
  return undefined;
}

async function listeningSockets(port: number): Promise<Set<string>> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const lines = (await readFile(table, "utf8").catch(() => "")).split("\n").slice(1);
    for (const line of lines) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      const isPort = Number.parseInt(local.slice(local.lastIndexOf(":") + 1), 16) === port;
      if (isPort && state === LISTEN && inode !== undefined) inodes.add(inode);
    }
  }
  return inodes;
}

/** Other users' processes do not show theirs. */
async function hasSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const directory = `/proc/${pid}/fd`;
  for (const fd of await readdir(directory).catch(() => [])) {
    const target = await readlink(`${directory}/${fd}`).catch(() => "");
    const inode = /^socket:\[([0-9]+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

async function describe(pid: string): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const command = line.replaceAll("\0", " ").trim().slice(0, COMMAND_CHARACTERS_MAX);
  return command === "" ? `process ${pid}` : `process ${pid} (${command})`;
}
