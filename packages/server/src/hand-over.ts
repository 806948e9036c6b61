/**
 * A leader that is told to stop gives its leadership away first, while it still answers: the cluster then goes on without
 * an election, and what is under way here is passed on.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterStatus, EnginePort, MemberInfo } from "@authledger/engine";
import { LedgerError } from "@authledger/types";
import type { Logger } from "pino";

/** A transfer takes milliseconds; one that does not end leaves the rest to an election. */
const HAND_OVER_MS_MAX = 2_000;

/** The other voter that lacks least and is up; undefined where there is none. */
export function furthestVoter({ nodeId, members }: ClusterStatus): MemberInfo | undefined {
  const others = members.filter(
    ({ info, role, isActive }) => role === "voter" && info.nodeId !== nodeId && isActive === true,
  );
  const [best] = others.sort((a, b) => (b.match ?? 0) - (a.match ?? 0));
  return best?.info;
}

/** Never rejects: a node that cannot hand over stops all the same. */
export async function handOver(engine: EnginePort, logger: Logger): Promise<void> {
  try {
    const status = await engine.call("cluster_status", {});
    const next = status.role === "leader" ? furthestVoter(status) : undefined;
    if (next === undefined) return;
    const startMs = performance.now();
    const { term } = await Promise.race([
      engine.call("cluster_transfer", { node: next.nodeId }, startMs + HAND_OVER_MS_MAX),
      late(),
    ]);
    const tookMs = Math.round(performance.now() - startMs);
    logger.info({ to: next.name, term, tookMs }, "handed the leadership over");
  } catch (thrown) {
    const { code, message } = LedgerError.from(thrown);
    logger.warn({ code, problem: message }, "the leadership was not handed over");
  }
}

async function late(): Promise<never> {
  await sleep(HAND_OVER_MS_MAX, undefined, { ref: false });
  throw new LedgerError("TRANSFER_FAILED", `nothing was heard for ${HAND_OVER_MS_MAX} ms`);
}
