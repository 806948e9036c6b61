/** Replicas that sign heads together, without logs and states around them: vaults are lists of leaves, marks are a map. */
import { MemoryDisk, SeededRandom } from "@authledger/io";
import { lookupOf, type Policy, rangeRoot } from "@authledger/proof";
import type { OpenVault } from "@authledger/state";
import { groupId, LedgerError, type NodeId, nodeId } from "@authledger/types";
import type { SignedRecord, Wal } from "@authledger/wal";
import { Contradictions } from "../src/cluster/contradictions.js";
import { EvidenceStore } from "../src/cluster/evidence-store.js";
import type { HeadCluster } from "../src/cluster/head-cluster.js";
import { HeadExchange } from "../src/cluster/head-exchange.js";
import type { MemberInfo } from "../src/cluster/peer-port.js";
import { nextPolicy } from "../src/cluster/voters-policy.js";
import { SigningKey } from "../src/ed25519.js";
import { memberKey } from "../src/head-keys.js";
import { type NodeSecrets, replicaName } from "../src/node-directory.js";
import { Signer } from "../src/signer.js";
import { clientDeps, settle, TestTime } from "./engine-support.js";

const { hasher } = clientDeps;
export const GROUP = groupId(1);
export const VAULT = 3;
const secret = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);

interface Append {
  readonly records: readonly SignedRecord[];
  readonly done: (error?: LedgerError) => void;
}

/**
 * Marks are seen at once and durable when the test says so; a refused append takes its marks back. As in a log, none may be
 * smaller or earlier than the one before.
 */
export class MarkLog {
  readonly marks = new Map<number, SignedRecord>();
  readonly appends: Append[] = [];
  /** Durable without being told so. */
  isQuick = false;

  signedMark(_group: number, vault: number): SignedRecord | undefined {
    return this.marks.get(vault);
  }

  append(records: readonly SignedRecord[]): Promise<void> {
    const before = new Map(this.marks);
    for (const record of records) {
      const mark = this.marks.get(record.vault);
      const goesBack = mark && (record.size < mark.size || record.timeMs < mark.timeMs);
      if (goesBack) throw new Error(`the mark of vault ${record.vault} goes back`);
      this.marks.set(record.vault, record);
    }
    if (this.isQuick) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const done = (error?: LedgerError): void => {
        if (error === undefined) resolve();
        else reject(this.#takeBack(records, before, error));
      };
      this.appends.push({ records, done });
    });
  }

  #takeBack(
    records: readonly SignedRecord[],
    before: ReadonlyMap<number, SignedRecord>,
    error: LedgerError,
  ): LedgerError {
    for (const { vault } of records) this.marks.delete(vault);
    for (const [vault, mark] of before) this.marks.set(vault, mark);
    return error;
  }
}

/** A history that grows when it is told to. */
export class TestVault {
  readonly id: number;
  readonly row: { readonly origin: string };
  readonly #leaves: Uint8Array[] = [];
  /** Of its newest block. */
  timestampMs = 0;

  constructor(id: number, size: number, salt = 0) {
    this.id = id;
    this.row = { origin: `ledger.test/1/${id}` };
    for (let i = 0; i < size; i++) this.grow(salt);
  }

  grow(salt = 0): this {
    this.#leaves.push(hasher.sha256(Uint8Array.of(this.id, salt, this.size)));
    return this;
  }

  get size(): number {
    return this.#leaves.length;
  }

  get tip(): { header: { timestampMs: number } } {
    return { header: { timestampMs: this.timestampMs } };
  }

  header(): Uint8Array {
    return new Uint8Array(244);
  }

  get historyNode(): OpenVault["historyNode"] {
    return lookupOf(hasher, this.#leaves);
  }

  get history(): { root(): Uint8Array } {
    return { root: () => rangeRoot(hasher, this.historyNode, 0, this.size) };
  }

  get open(): OpenVault {
    return this as unknown as OpenVault;
  }
}

/** Nodes and what is between them; the first one leads. */
export class Replicas {
  readonly time = new TestTime();
  readonly nodes: readonly Replica[];
  leader: NodeId | undefined;
  /** Nodes that no frame reaches and whose frames reach nobody. */
  readonly down = new Set<NodeId>();
  /** May change a frame, or drop it. */
  meddle: (from: NodeId, payload: Uint8Array) => Uint8Array | undefined = (_, payload) => payload;

  private constructor(evidence: readonly EvidenceStore[]) {
    this.nodes = evidence.map((store, i) => new Replica(this, i + 1, store));
    this.leader = this.nodes[0]!.id;
  }

  static async of(count: number, size: number): Promise<Replicas> {
    const stores = Array.from({ length: count }, () =>
      EvidenceStore.open("/data", { disk: new MemoryDisk(), hasher }),
    );
    const replicas = new Replicas(await Promise.all(stores));
    for (const node of replicas.nodes) node.vault = new TestVault(VAULT, size);
    return replicas;
  }

  get members(): readonly MemberInfo[] {
    return this.nodes.map(({ member }) => member);
  }

  /** Every node's cosignature, by majority. */
  get policy(): Policy {
    return this.nodes[0]!.signer.firstPolicy(`ledger.test/1/${VAULT}`);
  }

  /** The next policy, of the nodes with these numbers. */
  policyAfter(before: Policy, numbers: readonly number[]): Policy {
    const keys = numbers.map((number) => memberKey(hasher, this.nodes[number - 1]!.member));
    return nextPolicy(before, keys, before.fromSize + 1);
  }

  carry(
    from: NodeId,
    to: NodeId,
    kind: "cosignRequest" | "cosignReply",
    payload: Uint8Array,
  ): void {
    void Promise.resolve().then(() => {
      if (this.down.has(from) || this.down.has(to)) return;
      const arrived = this.meddle(from, payload);
      const node = this.nodes.find(({ id }) => id === to);
      if (arrived !== undefined) node?.exchange.onFrame(from, kind, arrived);
    });
  }

  /** Everybody's vault has one block more. */
  grow(): void {
    for (const node of this.nodes) node.grow();
  }

  /** Lets everything be said that needs no time. */
  async settle(): Promise<void> {
    await settle(8);
  }
}

/** One node: its marks, its vault, and what it has to say. */
export class Replica {
  readonly id: NodeId;
  readonly member: MemberInfo;
  readonly log = new MarkLog();
  readonly refused: LedgerError[] = [];
  readonly alarms: string[] = [];
  readonly signer: Signer;
  readonly exchange: HeadExchange;
  readonly contradictions: Contradictions;
  readonly evidence: EvidenceStore;
  vault: TestVault | undefined;
  isWhole = true;
  isGone = false;
  hasLogSeed = true;
  isInDoubt = false;
  clockProblem: LedgerError | undefined;
  stateProblem: LedgerError | undefined;
  /** How far this node's marks were ahead of its clock. */
  readonly ahead: number[] = [];
  /** What heads must satisfy; the first policy if nothing else is said. */
  policies: readonly Policy[] | undefined;

  constructor(replicas: Replicas, number: number, evidence: EvidenceStore) {
    const { time } = replicas;
    this.id = nodeId(BigInt(number));
    this.evidence = evidence;
    this.log.isQuick = true;
    this.member = memberOf(number);
    const cluster: HeadCluster = {
      self: this.id,
      isLeading: () => replicas.leader === this.id,
      leader: () => replicas.leader,
      voters: () => replicas.members,
      clockProblem: () => this.clockProblem,
      stateProblem: () => this.stateProblem,
      isInDoubt: () => this.isInDoubt,
      send: (to, kind, payload) => replicas.carry(this.id, to, kind, payload),
    };
    const vault = (id: number): OpenVault | undefined =>
      id === VAULT && !this.isGone ? this.vault?.open : undefined;
    const row = (): object => ({ status: this.isGone ? "deleted" : "active" });
    const about = {
      ...{ clock: time, timers: time, hasher, cluster, vault },
      random: new SeededRandom(number),
      state: { vault, rows: { vault: row } } as unknown as HeadExchangeState,
      wal: this.log as unknown as Wal,
      soon: (run: () => void) => void Promise.resolve().then(run),
      onHalt: (error: LedgerError) => void this.refused.push(error),
      onAlarm: (alarm: string) => void this.alarms.push(alarm),
      isWhole: () => this.isWhole,
      policies: () => this.policies ?? [replicas.policy],
      stateProblem: () => this.stateProblem,
      cosigners: () => replicas.members.map((member) => memberKey(hasher, member)),
      onOtherRoot: (...args: Parameters<HeadExchange["otherRoot"]>) =>
        this.exchange.otherRoot(...args),
      onAhead: (_origin: string, aheadMs: number) => void this.ahead.push(aheadMs),
      evidence,
    };
    const secrets = this.#secrets(number);
    const name = replicaName(this.member);
    this.signer = new Signer(GROUP, name, secrets, { ...about, together: about });
    const { signer } = this;
    this.contradictions = new Contradictions({ ...about, signer });
    const { contradictions } = this;
    this.exchange = new HeadExchange({ ...about, signer, contradictions });
  }

  #secrets(number: number): NodeSecrets {
    const hasLogSeed = (): boolean => this.hasLogSeed;
    return {
      get logSeed() {
        if (hasLogSeed()) return secret(1);
        throw new LedgerError("NOT_READY", "the log seed has not reached this node yet");
      },
      ...{ replicaSeed: secret(100 + number), pageTokenKey: secret(3) },
    } as NodeSecrets;
  }

  grow(salt = 0): void {
    this.vault!.grow(salt);
    this.exchange.applied();
  }

  /** Sizes and times of what this node has signed. */
  get mark(): { readonly size: number; readonly timeMs: number } | undefined {
    return this.log.marks.get(VAULT);
  }
}

type HeadExchangeState = ConstructorParameters<typeof HeadExchange>[0]["state"];

function memberOf(number: number): MemberInfo {
  return {
    nodeId: nodeId(BigInt(number)),
    incarnation: new Uint8Array(16).fill(number),
    name: `node-${number}`,
    peerAddress: `node-${number}:7401`,
    clientAddress: `node-${number}:7400`,
    cosignKey: new SigningKey(secret(100 + number)).publicKey,
    sealKey: secret(0),
  };
}
