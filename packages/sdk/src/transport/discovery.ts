/**
 * Learns from the cluster who its nodes are and who leads, beside the calls of the program: nothing waits for it, and
 * nothing fails with it. A client that makes one call and ends asks nothing.
 */
import { cluster } from "@authledger/proto";
import { GrpcStatus, LedgerError } from "@authledger/types";
import type { Endpoint } from "./endpoint.js";
import type { EndpointPool, NamedNode, Proof } from "./endpoint-pool.js";
import type { Ports } from "./ports.js";
import { answerWithin } from "./question.js";
import { asBuffer, WireError, type WireMetadata } from "./wire.js";

/** After the first call, so that commands that make a few and end do not ask. */
const FIRST_MS = 500;
/** A group of one gets a second node rarely. */
const REFRESH_ALONE_MS = 60_000;
/** However often leadership moves. */
const REFRESH_MS_MIN = 200;
const ANSWER_MS_MAX = 2_000;

const { getClusterStatus: STATUS } = cluster.ClusterServiceService;
const { MEMBER_ROLE_OUTGOING: OUTGOING } = cluster.MemberRole;

export class Discovery {
  readonly #pool: EndpointPool;
  readonly #nowMs: () => number;
  readonly #refreshMs: number;
  readonly #ports: Pick<Ports, "after">;
  readonly #metadata: () => Promise<WireMetadata>;
  #dueAtMs: number | undefined;
  #askedAtMs = 0;
  #isAsking = false;
  /** Until the last answer was taken over, and its leader has shown who it is. */
  #learned: Promise<unknown> = Promise.resolve();
  #isOff: boolean;

  /** @param metadata of its own calls */
  constructor(
    pool: EndpointPool,
    rules: { readonly isOn: boolean; readonly refreshMs: number },
    ports: Pick<Ports, "nowMs" | "after"> & { readonly metadata: () => Promise<WireMetadata> },
  ) {
    this.#pool = pool;
    this.#ports = ports;
    this.#nowMs = ports.nowMs;
    this.#metadata = ports.metadata;
    this.#isOff = !rules.isOn;
    this.#refreshMs = rules.refreshMs;
  }

  /** After a call: asks `endpoint` when it is time. */
  tick(endpoint: Endpoint): void {
    if (this.#isOff || this.#isAsking) return;
    const nowMs = this.#nowMs();
    this.#dueAtMs ??= nowMs + FIRST_MS;
    if (nowMs < this.#dueAtMs || nowMs < this.#askedAtMs + REFRESH_MS_MIN) return;
    this.#isAsking = true;
    this.#askedAtMs = nowMs;
    this.#dueAtMs = nowMs + Math.max(REFRESH_ALONE_MS, this.#refreshMs);
    const asked = this.#ask(endpoint).finally(() => {
      this.#isAsking = false;
    });
    this.#learned = asked.then((met) => met?.leader);
  }

  /** Before an attempt that comes in vain to whoever does not lead: asks who leads, and waits for it. Never rejects. */
  async findLeader(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
    if (this.#isOff) return;
    this.#dueAtMs = 0;
    this.tick(endpoint);
    await answerWithin(this.#ports, this.#learned, ANSWER_MS_MAX, signal);
  }

  /** Somebody else leads, or a node is gone: the next call asks. */
  hurry(): void {
    if (this.#dueAtMs !== undefined) this.#dueAtMs = 0;
  }

  async #ask(endpoint: Endpoint): Promise<{ readonly leader: Promise<unknown> } | undefined> {
    try {
      const { clusterId, leaderId, members } = await this.#statusOf(endpoint);
      if (members.length > 1)
        this.#dueAtMs = Math.min(this.#dueAtMs!, this.#nowMs() + this.#refreshMs);
      const nodes = members.filter(
        ({ role, clientAddress }) => role !== OUTGOING && clientAddress !== "",
      );
      const leader = nodes.find(({ nodeId }) => nodeId === leaderId)?.clientAddress;
      const prove: Proof = (one, node) => this.#isNodeOf(one, node, clusterId);
      return { leader: this.#pool.learn(nodes, leader, prove) };
    } catch (thrown) {
      if (thrown instanceof WireError && thrown.code === GrpcStatus.UNIMPLEMENTED)
        this.#isOff = true;
      this.#dueAtMs = Math.min(this.#dueAtMs!, this.#nowMs() + this.#refreshMs);
      return undefined;
    }
  }

  /** An address may lead elsewhere from here: through a tunnel, or to a node of somebody else. */
  async #isNodeOf(endpoint: Endpoint, { nodeId }: NamedNode, clusterId: string): Promise<boolean> {
    const found = await this.#statusOf(endpoint);
    return clusterId !== "" && found.clusterId === clusterId && found.nodeId === nodeId;
  }

  async #statusOf({ channel }: Endpoint): Promise<cluster.GetClusterStatusResponse> {
    const deadlineAtMs = this.#nowMs() + ANSWER_MS_MAX;
    const found = await answerWithin(this.#ports, this.#metadata(), ANSWER_MS_MAX, undefined);
    if (found === undefined) throw new LedgerError("DEADLINE_EXCEEDED", "no token came in time");
    const answer = await channel.unary({
      path: STATUS.path,
      message: STATUS.requestSerialize({ atLeader: false }),
      metadata: found.answer,
      deadlineAtMs,
      signal: undefined,
    });
    return STATUS.responseDeserialize(asBuffer(answer));
  }
}
