// @ts-check
/** Nodes of a cluster, each a process on a host of its own, that can be killed, stopped, started again and replaced. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));
const CLIENT_PORT = 7400;
const PEER_PORT = 7401;
const HTTP_PORT = 7402;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;

/** @typedef {{ readonly host: number, readonly name: string, readonly key: string, readonly certificate: string }} Plan */

export class Nodes {
  #hosts;
  #certificates;
  #directory;
  /** @type {Map<string, NodeProcess>} */
  #nodes = new Map();
  #made = 0;

  /**
   * @param {import("./hosts.mjs").Hosts} hosts
   * @param {import("./certificates.mjs").Certificates} certificates
   * @param {string} directory for what the nodes say
   */
  constructor(hosts, certificates, directory) {
    this.#hosts = hosts;
    this.#certificates = certificates;
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  get all() {
    return [...this.#nodes.values()];
  }

  get endpoints() {
    return this.all.map(({ endpoint }) => endpoint);
  }

  /** A new node on a new host, which waits for a cluster; not started yet. */
  plan() {
    const host = this.#hosts.add();
    const name = `n${++this.#made}`;
    const issued = this.#certificates.issue(name, this.#hosts.address(host));
    const node = new NodeProcess({ host, name, ...issued }, this);
    this.#nodes.set(name, node);
    return node;
  }

  /** @param {NodeProcess} node */
  forget(node) {
    this.#nodes.delete(node.plan.name);
  }

  /** @param {Plan} plan */
  address({ host }) {
    return this.#hosts.address(host);
  }

  /** How a node is started. @param {Plan} plan */
  commandOf({ host, name, key, certificate }) {
    const address = this.#hosts.address(host);
    const others = this.all.filter(({ plan }) => plan.name !== name).map(({ peer }) => peer);
    return this.#hosts.command(host, [
      ...[process.execPath, MAIN, "start", "--data", join(this.#hosts.disk(host), "data")],
      ...["--name", name, "--listen", `${address}:${CLIENT_PORT}`],
      ...["--http", `${address}:${HTTP_PORT}`, "--insecure-any-address"],
      ...["--peer", `${address}:${PEER_PORT}`, "--join", others.join(",")],
      ...["--peer-cert", certificate, "--peer-key", key, "--peer-ca", this.#certificates.ca],
    ]);
  }

  /** @param {Plan} plan */
  logOf({ name }) {
    return join(this.#directory, `${name}.log`);
  }

  async stopAll() {
    await Promise.all(this.all.map((node) => node.kill()));
  }
}

export class NodeProcess {
  plan;
  #nodes;
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #child;
  /** @type {Promise<string>} how the last process ended */
  #ended = Promise.resolve("not started");

  /** @param {Plan} plan @param {Nodes} nodes */
  constructor(plan, nodes) {
    this.plan = plan;
    this.#nodes = nodes;
  }

  get endpoint() {
    return `${this.#nodes.address(this.plan)}:${CLIENT_PORT}`;
  }

  get peer() {
    return `${this.#nodes.address(this.plan)}:${PEER_PORT}`;
  }

  get isRunning() {
    return this.#child !== undefined;
  }

  /** Resolves when it serves; rejects with what it said when it ends before. */
  async start() {
    if (this.#child !== undefined) return;
    const file = this.#nodes.logOf(this.plan);
    const log = openSync(file, "a");
    const [command = "", ...args] = this.#nodes.commandOf(this.plan);
    const child = spawn(command, args, { stdio: ["ignore", "pipe", log] });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once("exit", (code, signal) => {
        if (this.#child === child) this.#child = undefined;
        resolve(signal ?? `exit code ${code}`);
      });
    });
    const ready = new Promise((/** @type {(value: undefined) => void} */ resolve) => {
      child.stdout?.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
        if (text.includes("listening grpc=")) resolve(undefined);
      });
    });
    const late = new Promise((/** @type {(value: string) => void} */ resolve) =>
      setTimeout(() => resolve("no answer"), READY_MS_MAX).unref(),
    );
    const how = await Promise.race([ready, this.#ended, late]);
    if (how === undefined) return;
    throw new Error(
      `${this.plan.name} did not start: ${how}\n${readFileSync(file, "utf8").slice(-2_000)}`,
    );
  }

  /** kill -9, and waits until it is gone. */
  async kill() {
    this.signal("SIGCONT");
    this.signal("SIGKILL");
    return await this.#ended;
  }

  /** SIGTERM, and waits for the end; how it ended. */
  async stop() {
    const timer = setTimeout(() => this.signal("SIGKILL"), STOP_MS_MAX);
    this.signal("SIGTERM");
    const how = await this.#ended;
    clearTimeout(timer);
    return how;
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    this.#child?.kill(signal);
  }
}
