// @ts-check
/** What an operator does with the nodes: make a cluster of them, look at it, change its members. Uses the command line. */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
const SETTLED_MS_MAX = 60_000;
const AGAIN_MS = 100;
const TRIES = 50;

/** @typedef {import("./nodes.mjs").NodeProcess} NodeProcess */
/** @typedef {{ readonly name: string, readonly role: string, readonly node_id?: string }} Member */

export class ClusterAdmin {
  #nodes;

  /** @param {import("./nodes.mjs").Nodes} nodes */
  constructor(nodes) {
    this.#nodes = nodes;
  }

  /** @param {NodeProcess} first @param {readonly NodeProcess[]} others */
  async init(first, others) {
    const addresses = others.flatMap(({ peer }) => [peer]);
    await this.#run(first, ["cluster", "init", ...addresses]);
    await this.settled();
  }

  /** Everybody votes, one leads, all are heard of. */
  async settled() {
    const [node] = this.#nodes.all.filter(({ isRunning }) => isRunning);
    if (node === undefined) throw new Error("no node runs");
    await this.#run(node, ["cluster", "wait-ready", "--timeout", `${SETTLED_MS_MAX / 1_000}s`]);
  }

  async leader() {
    for (const node of this.#nodes.all.filter(({ isRunning }) => isRunning)) {
      const status = await this.#status(node).catch(() => undefined);
      const leader = this.#nodes.all.find(({ plan }) => plan.name === status?.leader);
      if (leader !== undefined) return leader;
    }
    return undefined;
  }

  /** @param {NodeProcess} node */
  async add(node) {
    await this.#retry(["cluster", "add", node.peer]);
  }

  /** When it has caught up. @param {NodeProcess} node */
  async promote(node) {
    await this.#retry(["cluster", "promote", node.plan.name]);
  }

  /** @param {NodeProcess} node */
  async remove(node) {
    await this.#retry(["cluster", "remove", node.plan.name, "--yes"]);
  }

  /** Until it is done: leaders come and go. @param {readonly string[]} command */
  async #retry(command) {
    for (let left = TRIES; ; left--) {
      const [node] = this.#nodes.all.filter(({ isRunning }) => isRunning);
      if (node === undefined) throw new Error("no node runs");
      try {
        return await this.#run(node, command);
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
  }

  /** @param {NodeProcess} node @returns {Promise<{ leader?: string, members: readonly Member[] }>} */
  async #status(node) {
    return JSON.parse(await this.#run(node, ["cluster", "status", "-o", "json"]));
  }

  /** @param {NodeProcess} node @param {readonly string[]} command @returns {Promise<string>} */
  #run(node, command) {
    const args = [MAIN, ...command, "--endpoint", node.endpoint];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      err += text;
    });
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => {
        if (code === 0) resolve(out);
        else reject(new Error(`authledger ${command.join(" ")}: exit code ${code}\n${err}`));
      });
    });
  }
}
