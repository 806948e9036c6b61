/**
 * N nodes that were started together become one cluster, without an operator (L-205): each finds the others through
 * discovery, and when all N are there and none is of a cluster, the one with the lowest id begins and takes the others in.
 *
 *   INV-CLUSTER-4  A node begins a cluster by itself only when it has found exactly as many nodes as were announced, none
 *                  of them of a cluster, and its id is the lowest: of nodes that see the same ones, one begins.
 *
 * Found again after a crash in between, the one that had begun goes on where it is still the only voter, as soon as others
 * are there. Nothing on its disk says that the beginning is not over: any only voter that is started so goes on, and makes its
 * learners voters. A node of its cluster that is no member was removed, and stays so. Where there are several voters an operator
 * has to say what is missing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { EnginePort, PeerIdentity } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import type { Logger } from "pino";
import type { NodePeers } from "./peer/node-peers.js";

const LOOK_MS = 500;
/** Taking in and promoting of all others, each with all it lacks. */
const INIT_MS_MAX = 120_000;

export interface BootstrapDeps {
  readonly engine: EnginePort;
  /** Who must be there, this node counted. */
  readonly expect: number;
  /** Peer addresses, this node's own perhaps among them. @throws LedgerError DISCOVERY_FAILED */
  readonly discover: () => Promise<readonly string[]>;
  /** @throws LedgerError when nobody answers there */
  readonly lookup: (address: string) => Promise<PeerIdentity>;
  /** In milliseconds. Ends early when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly nowMs: () => number;
  readonly onProgress: (text: string) => void;
}

/** What one look came to. */
type Look =
  /** The node is of a cluster that is complete, or that another node completes. */
  | { readonly kind: "done" }
  | { readonly kind: "wait"; readonly why: string }
  | { readonly kind: "init"; readonly others: readonly string[] };

interface Found {
  readonly address: string;
  readonly identity: PeerIdentity;
}

export class Bootstrap {
  readonly #deps: BootstrapDeps;
  readonly #stopped = new AbortController();
  #hasBegun = false;
  #told = "";

  constructor(deps: BootstrapDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Returns when the node is of a cluster and has nothing left to do, or was stopped. */
  async run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const look = await this.#look().catch((thrown: unknown): Look => {
        return { kind: "wait", why: LedgerError.from(thrown).message };
      });
      if (look.kind === "done") return;
      if (look.kind === "wait") this.#tell(look.why);
      else await this.#begin(look.others);
      await this.#deps.sleep(LOOK_MS, signal);
    }
  }

  async #look(): Promise<Look> {
    const { engine, expect } = this.#deps;
    const { nodeId, clusterId, role, members } = await engine.call("cluster_status", {});
    if (role === "removed") return { kind: "done" };
    const voters = members.filter((member) => member.role === "voter");
    const isOnlyVoter = voters.length === 1 && voters[0]!.info.nodeId === nodeId;
    if (role !== "waiting" && !this.#hasBegun && !isOnlyVoter) return { kind: "done" };
    if (voters.length >= expect) {
      if (this.#hasBegun) this.#tell(`the cluster has its ${expect} voters`);
      return { kind: "done" };
    }
    if (isOnlyVoter && role !== "leader")
      return { kind: "wait", why: "this node does not lead yet" };
    const found = await this.#find();
    const others = found.filter(({ identity }) => identity.member.nodeId !== nodeId);
    if (role !== "waiting") {
      const known = new Set<bigint>(members.map(({ info }) => info.nodeId));
      const ours = others.filter(({ identity }) =>
        identity.clusterId === clusterId
          ? known.has(identity.member.nodeId)
          : identity.clusterId === undefined,
      );
      const addresses = ours.map(({ address }) => address);
      if (addresses.length > 0) return { kind: "init", others: addresses };
      return { kind: "wait", why: "others are away" };
    }
    return judge(nodeId, others, expect);
  }

  /** Who answers now; an address is asked once, and a node counts once. */
  async #find(): Promise<readonly Found[]> {
    const addresses = [...new Set(await this.#deps.discover())];
    const answers = await Promise.all(
      addresses.map(async (address) => {
        const identity = await this.#deps.lookup(address).catch(() => undefined);
        return identity === undefined ? [] : [{ address, identity }];
      }),
    );
    const byNode = new Map(answers.flat().map((one) => [one.identity.member.nodeId, one]));
    return [...byNode.values()];
  }

  async #begin(others: readonly string[]): Promise<void> {
    this.#hasBegun = true;
    this.#tell(`begins the cluster with ${others.join(", ")}`);
    try {
      const deadlineAtMs = this.#deps.nowMs() + INIT_MS_MAX;
      await this.#deps.engine.call("cluster_init", { addresses: others }, deadlineAtMs);
    } catch (thrown) {
      this.#tell(LedgerError.from(thrown).message);
    }
  }

  /** Each thing once. */
  #tell(text: string): void {
    if (text === this.#told) return;
    this.#told = text;
    this.#deps.onProgress(text);
  }
}

/** Starts it where the configuration says how many nodes begin; it ends by itself. */
export function beginTogether(
  { expect }: { readonly expect: number | undefined },
  {
    engine,
    peers,
    logger,
  }: {
    readonly engine: EnginePort;
    readonly peers: NodePeers | undefined;
    readonly logger: Logger;
  },
): Bootstrap | undefined {
  const discovery = peers?.discovery;
  if (expect === undefined || peers === undefined || discovery === undefined) return undefined;
  const bootstrap = new Bootstrap({
    ...{ engine, expect },
    discover: () => discovery.now(),
    lookup: (address) => peers.peers.lookup(address),
    sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined),
    nowMs: () => performance.now(),
    onProgress: (text) => logger.info({ expect }, text),
  });
  void bootstrap.run();
  return bootstrap;
}

/** INV-CLUSTER-4, for a node that waits. */
function judge(nodeId: bigint, others: readonly Found[], expect: number): Look {
  const member = others.find(({ identity }) => identity.clusterId !== undefined);
  if (member !== undefined) {
    const { name } = member.identity.member;
    return { kind: "wait", why: `${name} is of a cluster already, which must take this node in` };
  }
  const count = others.length + 1;
  if (count !== expect) return { kind: "wait", why: `${count} of ${expect} nodes are there` };
  const lower = others.find(({ identity }) => identity.member.nodeId < nodeId);
  if (lower !== undefined) {
    return { kind: "wait", why: `${lower.identity.member.name} begins the cluster` };
  }
  return { kind: "init", others: others.map(({ address }) => address) };
}
