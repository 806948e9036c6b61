// @ts-check
/**
 * One host for each node: a network namespace on a bridge, and a small disk of its own. Between hosts the network can be
 * cut, both ways or one; a disk can be filled. Needs root and iproute2.
 */
import { mkdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { sh, works } from "./shell.mjs";

const BRIDGE_ADDRESS = 254;
/** Room for a few segments of the log and the store, and small enough to be filled at once. */
const DISK_MIB = 768;
const BALLAST = "ballast";

/** Can this machine have hosts of ours? */
export function canHaveHosts() {
  const name = `probe-${process.pid}`;
  if (!works("ip", "netns", "add", name)) return false;
  works("ip", "netns", "del", name);
  return true;
}

export class Hosts {
  #directory;
  #tag;
  #subnet;
  /** @type {{ readonly name: string, readonly number: number, readonly disk: string }[]} */
  #hosts = [];

  /** @param {string} directory for the disks */
  constructor(directory) {
    this.#directory = directory;
    // Interface names have 15 characters; several runs may live beside each other.
    this.#tag = `al${(process.pid % 46_656).toString(36)}`;
    this.#subnet = `10.${64 + (process.pid % 64)}.${(process.pid >> 6) % 256}`;
    sh("ip", "link", "add", this.#tag, "type", "bridge");
    sh("ip", "addr", "add", `${this.#subnet}.${BRIDGE_ADDRESS}/24`, "dev", this.#tag);
    sh("ip", "link", "set", this.#tag, "up");
  }

  /** A new host; its number. */
  add() {
    const number = this.#hosts.length + 1;
    const name = `${this.#tag}-${number}`;
    const [outside, inside] = [`${this.#tag}v${number}`, "eth0"];
    sh("ip", "netns", "add", name);
    sh("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name);
    sh("ip", "link", "set", outside, "master", this.#tag);
    sh("ip", "link", "set", outside, "up");
    sh("ip", "-n", name, "addr", "add", `${this.address(number)}/24`, "dev", inside);
    sh("ip", "-n", name, "link", "set", inside, "up");
    sh("ip", "-n", name, "link", "set", "lo", "up");
    const disk = join(this.#directory, name);
    mkdirSync(disk, { recursive: true });
    sh("mount", "-t", "tmpfs", "-o", `size=${DISK_MIB}m`, "tmpfs", disk);
    this.#hosts.push({ name, number, disk });
    return number;
  }

  /** @param {number} host */
  address(host) {
    return `${this.#subnet}.${host}`;
  }

  /** @param {number} host */
  disk(host) {
    return this.#of(host).disk;
  }

  /** A command that runs on a host. @param {number} host @param {readonly string[]} command */
  command(host, command) {
    return ["ip", "netns", "exec", this.#of(host).name, ...command];
  }

  /** Nothing goes from one host to another any more. @param {number} from @param {number} to */
  cut(from, to) {
    sh("ip", "-n", this.#of(from).name, "route", "replace", "blackhole", `${this.address(to)}/32`);
  }

  /** Everything goes everywhere. */
  heal() {
    for (const { name, number: from } of this.#hosts) {
      for (const { number: to } of this.#hosts) {
        if (from !== to)
          works("ip", "-n", name, "route", "del", "blackhole", `${this.address(to)}/32`);
      }
    }
  }

  /** Leaves nothing of a host's disk. @param {number} host */
  fill(host) {
    const disk = this.disk(host);
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(join(disk, BALLAST), Buffer.alloc(Math.max(0, (bavail - 1) * bsize)));
  }

  /** @param {number} host */
  free(host) {
    rmSync(join(this.disk(host), BALLAST), { force: true });
  }

  close() {
    for (const { name, disk } of this.#hosts) {
      works("umount", "-l", disk);
      works("ip", "netns", "del", name);
    }
    works("ip", "link", "del", this.#tag);
  }

  /** @param {number} number */
  #of(number) {
    const host = this.#hosts[number - 1];
    if (host === undefined) throw new RangeError(`there is no host ${number}`);
    return host;
  }
}
