/**
 * The nodes of a ledger for development: processes on ports base + 10 * i, found again at the next start and taken down
 * together.
 *
 *     node/  node-2/  node-3/     the data of each     node.log  node-2.log  node-3.log     what each said since its start
 *     nodes.json                  how many there are, and on which ports: members of a cluster keep their addresses
 *     LOCK                        who runs them: nothing else is written before the directory is this process's
 *
 * A node that ends is started again, as an operator's service manager would; one that cannot be started stays down.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LedgerError } from "@authledger/types";
import { portHolder } from "../run/port-holder.js";
import { usage } from "../run/settings.js";
import { formCluster, type PlannedNode } from "./form-cluster.js";
import { type NodeProcess, startNodeProcess } from "./node-process.js";

const HOST = "127.0.0.1";
const PORT_BASE = 7400;
/** Between two nodes: gRPC at +0, peers at +1, HTTP at +2, Connect at +3. */
const PORT_STEP = 10;
/** Between two tries to find free ports for all. */
const BASE_STEP = 100;
const BASES_TRIED = 20;
const NODES_MAX = 7;
const RESTART_MS = 1_000;

/** What is remembered from start to start. */
interface NodesFile {
  readonly nodes: number;
  readonly port: number;
}

export interface DevNodesOptions {
  /** Of everything. */
  readonly directory: string;
  /** Undefined: as many as there are, else one. */
  readonly count: number | undefined;
  /** Of the first node's gRPC; undefined: the usual one, or where there is room. */
  readonly port: number | undefined;
  /** Origins of web pages that may call. */
  readonly pages: readonly string[];
  readonly say: (text: string) => void;
}

/** With a directory that is this process's until it is given up. */
interface HeldOptions extends DevNodesOptions {
  readonly giveUp: () => Promise<void>;
}

export interface DevNodes {
  /** gRPC of each, the first one first. */
  readonly endpoints: readonly string[];
  /** Of the first one. */
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly connectAddress: string;
  readonly pid: number;
  readonly nodes: readonly DevNode[];
  /** Rejects when no node is left. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

interface DevNode {
  readonly name: string;
  readonly grpc: string;
  readonly http: string;
  readonly connect: string;
  /** Undefined for a node alone, which has no peers. */
  readonly peer: string | undefined;
  readonly pid: number;
}

/** @throws LedgerError DATA_DIR_IN_USE, USAGE for ports that are taken, naming who has them; what a node ended with */
export async function startDevNodes(options: DevNodesOptions): Promise<DevNodes> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const { DataLock } = await import("@authledger/engine");
  const lock = await DataLock.acquire(directory);
  const giveUp = (): Promise<void> => lock.release();
  try {
    return await startHeld({ ...options, giveUp });
  } catch (error) {
    await giveUp();
    throw error;
  }
}

async function startHeld(options: HeldOptions): Promise<DevNodes> {
  const known = await recall(options.directory);
  const count = countOf(options, known);
  for (let i = 0; i < count; i++) await requireUnheld(join(options.directory, folderOf(i)));
  if (count === 1) return alone(options);
  const port = known?.port ?? (await chooseBase(options, count));
  const plans = Array.from({ length: count }, (_, i) => planOf(i, port));
  if (known !== undefined) for (const plan of plans) await requireFree(plan);
  return together(options, plans, { nodes: count, port });
}

/** A node that was started by hand would keep its data, and lose its log to one that cannot start. */
async function requireUnheld(directory: string): Promise<void> {
  const { DataLock } = await import("@authledger/engine");
  const holder = DataLock.holderOf(directory);
  if (holder === undefined) return;
  const message = `${directory} is held by ${holder}`;
  throw new LedgerError("DATA_DIR_IN_USE", message, { details: { directory } });
}

function countOf({ count, directory }: DevNodesOptions, known: NodesFile | undefined): number {
  if (count !== undefined && (count < 1 || count > NODES_MAX)) {
    throw usage(`--nodes ${count} is not from 1 to ${NODES_MAX}`);
  }
  if (known === undefined) return count ?? 1;
  if (count === undefined || count === known.nodes) return known.nodes;
  if (count > known.nodes) return count;
  const message = `the ledger in ${directory} has ${known.nodes} nodes; start it with --nodes ${known.nodes}, or take another --data`;
  throw usage(message);
}

async function recall(directory: string): Promise<NodesFile | undefined> {
  const path = join(directory, "nodes.json");
  if (!existsSync(path)) return undefined;
  try {
    const file = JSON.parse(await readFile(path, "utf8")) as NodesFile;
    if (Number.isSafeInteger(file.nodes) && Number.isSafeInteger(file.port)) return file;
  } catch {
    // told below
  }
  throw new LedgerError("DATA_DIR_INVALID", `${path} does not say how many nodes there are`, {
    details: { file: path },
  });
}

function planOf(i: number, base: number): PlannedNode {
  const at = (port: number): string => `${HOST}:${base + i * PORT_STEP + port}`;
  const addresses = { grpc: at(0), peer: at(1), http: at(2), connect: at(3) };
  return { name: `n${i + 1}`, folder: folderOf(i), ...addresses };
}

function folderOf(i: number): string {
  return i === 0 ? "node" : `node-${i + 1}`;
}

/** The usual ports, or the next hundred where all of them are free. */
async function chooseBase({ port, say }: DevNodesOptions, count: number): Promise<number> {
  const first = port ?? PORT_BASE;
  for (let i = 0; i < BASES_TRIED; i++) {
    const base = first + i * BASE_STEP;
    const taken = await firstTaken(Array.from({ length: count }, (_, n) => planOf(n, base)));
    if (taken === undefined) return base;
    if (port !== undefined) throw portTaken(taken.address, taken.holder);
    say(`${taken.address} is taken by ${taken.holder}; looking further`);
  }
  throw usage(`there are no free ports from ${first} on; choose some with --port`);
}

async function firstTaken(
  plans: readonly PlannedNode[],
): Promise<{ readonly address: string; readonly holder: string } | undefined> {
  for (const { grpc, peer, http, connect } of plans) {
    for (const address of [grpc, peer, http, connect]) {
      const port = Number(address.slice(HOST.length + 1));
      if (await isFree(port)) continue;
      return { address, holder: (await portHolder(port)) ?? "another process" };
    }
  }
  return undefined;
}

async function requireFree(plan: PlannedNode): Promise<void> {
  const taken = await firstTaken([plan]);
  if (taken !== undefined) throw portTaken(taken.address, taken.holder);
}

function portTaken(address: string, holder: string): LedgerError {
  const message = `${address} is taken by ${holder}, and the nodes of a cluster keep their addresses: stop it, or begin in another --data`;
  return new LedgerError("USAGE", message, { details: { address } });
}

/** A node without peers, on the usual ports or any others. */
async function alone({ directory, port, pages, say, giveUp }: HeldOptions): Promise<DevNodes> {
  const base = port ?? PORT_BASE;
  const node = await startNodeProcess({
    data: join(directory, "node"),
    listen: await freeAddress(base, say),
    http: await freeAddress(base + 2, say),
    connect: await freeAddress(base + 3, say),
    pages,
    logFile: join(directory, "node.log"),
  });
  const { grpcAddress, httpAddress, connectAddress, pid } = node;
  const [grpc, http, connect] = [grpcAddress, httpAddress, connectAddress];
  return {
    ...{ endpoints: [grpc], grpcAddress, httpAddress, connectAddress, pid },
    nodes: [{ name: "n1", grpc, http, connect, peer: undefined, pid }],
    failed: node.failed,
    stop: () => node.stop().finally(giveUp),
  };
}

async function together(
  options: HeldOptions,
  plans: readonly PlannedNode[],
  file: NodesFile,
): Promise<DevNodes> {
  const { directory, say, giveUp } = options;
  const first = plans[0]!;
  const kept = plans.map((plan) => new KeptNode(plan, first.peer, options));
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);
  const stop = async (): Promise<void> => {
    await Promise.all(kept.map((node) => node.stop())).finally(giveUp);
  };
  try {
    const [one, ...others] = kept;
    // When the first one has its data, so many they are.
    const begun = one!
      .start()
      .then(() => writeFile(join(directory, "nodes.json"), `${JSON.stringify(file)}\n`));
    await Promise.all([begun, ...others.map((node) => node.start())]);
    await formCluster(plans, say);
  } catch (error) {
    await stop();
    throw error;
  }
  for (const node of kept) {
    void node.keep().catch((error: unknown) => {
      say(`${node.plan.name} stays down: ${LedgerError.from(error).message}`);
      if (kept.every(({ isDown }) => isDown)) fail(error);
    });
  }
  return {
    endpoints: plans.map(({ grpc }) => grpc),
    ...{ grpcAddress: first.grpc, httpAddress: first.http, connectAddress: first.connect },
    pid: kept[0]!.pid,
    get nodes() {
      return kept.map(({ plan, pid }) => ({ ...plan, pid }));
    },
    failed,
    stop,
  };
}

/** A node that is started again when it ends. */
class KeptNode {
  readonly plan: PlannedNode;
  readonly #first: string;
  readonly #directory: string;
  readonly #pages: readonly string[];
  readonly #say: (text: string) => void;
  #process: NodeProcess | undefined;
  #isStopping = false;
  isDown = false;

  /** @param first peer address of the first node */
  constructor(
    plan: PlannedNode,
    first: string,
    { directory, pages, say }: Pick<DevNodesOptions, "directory" | "pages" | "say">,
  ) {
    this.plan = plan;
    this.#first = first;
    this.#directory = directory;
    this.#pages = pages;
    this.#say = say;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  async start(): Promise<void> {
    const { name, folder, grpc, peer, http, connect } = this.plan;
    // The first one begins the cluster, and takes in the others, which wait for that.
    const waiting = this.#first === peer ? [] : ["--join", this.#first];
    this.#process = await startNodeProcess({
      data: join(this.#directory, folder),
      ...{ listen: grpc, http, connect, pages: this.#pages },
      logFile: join(this.#directory, `${folder}.log`),
      more: ["--name", name, "--peer", peer, ...waiting],
    });
  }

  /** @throws LedgerError (by rejection) when it ends and cannot be started again */
  async keep(): Promise<void> {
    while (!this.#isStopping) {
      try {
        await this.#process!.failed;
      } catch (error) {
        if (this.#isStopping) return;
        this.#say(
          `${this.plan.name} ended (${LedgerError.from(error).message}); it is started again`,
        );
      }
      try {
        await sleep(RESTART_MS);
        if (this.#isStopping) return;
        await this.start();
        this.#say(`${this.plan.name} runs again, pid ${this.pid}`);
      } catch (error) {
        this.isDown = true;
        throw error;
      }
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#process?.stop();
  }
}

/** The usual port, or any other when it is taken. */
async function freeAddress(port: number, say: (text: string) => void): Promise<string> {
  if (await isFree(port)) return `${HOST}:${port}`;
  const holder = (await portHolder(port)) ?? "another process";
  say(`port ${port} is taken by ${holder}; using a free one`);
  return `${HOST}:0`;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", () => done(false));
    probe.listen({ host: HOST, port }, () => probe.close(() => done(true)));
  });
}
