/**
 * Learns from the cluster who its nodes are and who leads, beside the calls of the program: nothing waits for it, and
 * nothing fails with it. A client that makes one call and ends asks nothing.
 */
import { cluster } from "@authledger/proto";
import type { Client } from "@grpc/grpc-js";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import type { Endpoint } from "./endpoint.js";
import type { EndpointPool, NamedNode } from "./endpoint-pool.js";

/** After the first call, so that commands that make a few and end do not ask. */
const FIRST_MS = 500;
const REFRESH_MS = 10_000;
/** A group of one gets a second node rarely. */
const REFRESH_ALONE_MS = 60_000;
/** However often leadership moves. */
const REFRESH_MS_MIN = 200;
const ANSWER_MS_MAX = 2_000;

const { getClusterStatus: STATUS } = cluster.ClusterServiceService;
const { MEMBER_ROLE_OUTGOING: OUTGOING } = cluster.MemberRole;

export class Discovery {
  readonly #pool: EndpointPool;
  #dueAtMs: number | undefined;
  #askedAtMs = 0;
  #isAsking = false;
  #isOff: boolean;

  constructor(pool: EndpointPool, isOn: boolean) {
    this.#pool = pool;
    this.#isOff = !isOn;
  }

  /** After a call: asks `endpoint` when it is time. */
  tick(endpoint: Endpoint): void {
    if (this.#isOff || this.#isAsking) return;
    const nowMs = Date.now();
    this.#dueAtMs ??= nowMs + FIRST_MS;
    if (nowMs < this.#dueAtMs || nowMs < this.#askedAtMs + REFRESH_MS_MIN) return;
    this.#isAsking = true;
    this.#askedAtMs = nowMs;
    this.#dueAtMs = nowMs + REFRESH_ALONE_MS;
    void this.#ask(endpoint).finally(() => {
      this.#isAsking = false;
    });
  }

  /** Somebody else leads, or a node is gone: the next call asks. */
  hurry(): void {
    if (this.#dueAtMs !== undefined) this.#dueAtMs = 0;
  }

  async #ask(endpoint: Endpoint): Promise<void> {
    try {
      const { clusterId, leaderId, members } = await statusOf(endpoint.client);
      if (members.length > 1) this.#dueAtMs = Math.min(this.#dueAtMs!, Date.now() + REFRESH_MS);
      const nodes = members.filter(
        ({ role, clientAddress }) => role !== OUTGOING && clientAddress !== "",
      );
      const leader = nodes.find(({ nodeId }) => nodeId === leaderId)?.clientAddress;
      this.#pool.learn(nodes, leader, (one, node) => isNodeOf(one, node, clusterId));
    } catch (thrown) {
      if ((thrown as ServiceError).code === status.UNIMPLEMENTED) this.#isOff = true;
      this.#dueAtMs = Math.min(this.#dueAtMs!, Date.now() + REFRESH_MS);
    }
  }
}

/** An address may lead elsewhere from here: through a tunnel, or to a node of somebody else. */
async function isNodeOf(
  { client }: Endpoint,
  { nodeId }: NamedNode,
  clusterId: string,
): Promise<boolean> {
  const found = await statusOf(client);
  return clusterId !== "" && found.clusterId === clusterId && found.nodeId === nodeId;
}

function statusOf(client: Client): Promise<cluster.GetClusterStatusResponse> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      STATUS.path,
      STATUS.requestSerialize,
      STATUS.responseDeserialize,
      { atLeader: false },
      new Metadata(),
      { deadline: Date.now() + ANSWER_MS_MAX },
      (error, answer) => (error === null && answer ? resolve(answer) : reject(error)),
    );
  });
}
