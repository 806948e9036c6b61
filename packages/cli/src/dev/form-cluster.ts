/** Makes a cluster of nodes that run: the first one leads, or did before; the others are taken in and given a vote. */
import { setTimeout as sleep } from "node:timers/promises";
import { type ClusterStatus, createClient, type LedgerClient } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";

const FORM_MS_MAX = 120_000;
const LOOK_MS = 100;

export interface PlannedNode {
  readonly name: string;
  /** Of its data, and the beginning of its log's name. */
  readonly folder: string;
  readonly grpc: string;
  readonly peer: string;
  readonly http: string;
  readonly connect: string;
}

/**
 * Returns when all are voters and one leads; a cluster that was formed before is only waited for.
 * @throws LedgerError what keeps a node out
 */
export async function formCluster(
  plans: readonly PlannedNode[],
  say: (text: string) => void,
): Promise<void> {
  const client = createClient({ endpoints: plans.map(({ grpc }) => grpc), deadlineMs: 10_000 });
  const untilMs = Date.now() + FORM_MS_MAX;
  try {
    for (;;) {
      const step = await next(client, plans, say);
      if (step === "done") return;
      if (Date.now() > untilMs) throw step;
      await sleep(LOOK_MS);
    }
  } finally {
    client.close();
  }
}

/** One step; what it waits for when it could not be made. */
async function next(
  client: LedgerClient,
  plans: readonly PlannedNode[],
  say: (text: string) => void,
): Promise<"done" | LedgerError> {
  try {
    const status = await client.cluster.status({ atLeader: true });
    const missing = plans.find((plan) => memberOf(status, plan) === undefined);
    if (missing !== undefined) {
      await client.cluster.add(missing.peer);
      say(`${missing.name} joins`);
      return new LedgerError("NOT_CAUGHT_UP", `${missing.name} has joined and has no vote yet`);
    }
    for (const plan of plans) {
      const member = memberOf(status, plan)!;
      if (member.role === "learner") await client.cluster.promote(member.nodeId);
    }
    return plans.every((plan) => memberOf(status, plan)?.role === "voter")
      ? "done"
      : new LedgerError("NOT_CAUGHT_UP", "not all nodes have a vote yet");
  } catch (thrown) {
    const error = LedgerError.from(thrown);
    const isPassing =
      error.row.retry === "safe" ||
      error.row.grpc === "UNAVAILABLE" ||
      error.code === "DEADLINE_EXCEEDED";
    if (isPassing) return error;
    throw error;
  }
}

function memberOf(
  { members }: ClusterStatus,
  { name, peer }: PlannedNode,
): ClusterStatus["members"][number] | undefined {
  return members.find((member) => member.name === name || member.peerAddress === peer);
}
