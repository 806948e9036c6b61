/**
 * Collects the cosignatures of a leader's heads: asks every voter that a policy names, all heads of a turn in one frame,
 * asks again who has not answered or could not yet, and checks what comes before it gets into a note.
 *
 *   INV-COSIGN-4  Only a cosignature that verifies goes into a note: one bad line of a known key would spoil it for all.
 */
import type { Clock, Timers } from "@authledger/io";
import type { NoteKey } from "@authledger/proof";
import { type Hasher, LedgerError, type NodeId } from "@authledger/types";
import { isCosignature, memberKey } from "../head-keys.js";
import {
  COSIGN_ITEMS_MAX,
  type CosignAnswer,
  CosignRefusal,
  encodeCosignRequest,
} from "./cosign-frames.js";
import { COSIGN_RESEND_MS, HEAD_WAIT_MS } from "./cosign-limits.js";
import type { CosignedHead } from "./cosigned-head.js";
import type { HeadCluster } from "./head-cluster.js";
import { isSameKey } from "./voters-policy.js";

export interface CosignLeaderDeps {
  readonly cluster: HeadCluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly hasher: Hasher;
  /** A replica has signed the vault with a later time: the head needs one as late. */
  readonly onPassed: (head: CosignedHead, markTimeMs: number) => void;
  /** A replica has another root at the head's size. */
  readonly onOtherRoot: (head: CosignedHead, node: NodeId) => void;
}

interface Collecting {
  readonly head: CosignedHead;
  /** Who may still sign: has not answered, or cannot yet. And the key to sign with. */
  readonly open: Map<NodeId, NoteKey>;
  /** On the monotonic clock. */
  readonly untilMs: number;
}

export class CosignLeader {
  readonly #deps: CosignLeaderDeps;
  readonly #collecting = new Map<string, Collecting>();
  #stopTimer: (() => void) | undefined;
  #isStopped = false;

  constructor(deps: CosignLeaderDeps) {
    this.#deps = deps;
  }

  /** Asks for the cosignatures of heads. */
  ask(heads: readonly CosignedHead[]): void {
    const untilMs = this.#deps.clock.monotonicMs() + HEAD_WAIT_MS;
    const asked: Collecting[] = [];
    for (const head of heads) {
      const collecting = { head, open: this.#voters(head), untilMs };
      const same = this.#collecting.get(keyOf(head))?.head;
      // Answers name vault, size and time, and go to one head: who waits for the other one gets this one.
      if (same !== undefined && same !== head) same.passOnTo((wanted) => head.wait(wanted));
      this.#collecting.set(keyOf(head), collecting);
      asked.push(collecting);
    }
    if (this.#isStopped) this.stop();
    this.#send(asked);
    this.#arm();
  }

  /** May more replicas sign it? Who waits for it is told in time if they do not. */
  isCollecting(head: CosignedHead): boolean {
    return this.#collecting.get(keyOf(head))?.head === head;
  }

  /** A replica has answered. */
  answered(from: NodeId, answers: readonly CosignAnswer[]): void {
    for (const answer of answers) {
      const collecting = this.#collecting.get(keyOf(answer));
      const key = collecting?.open.get(from);
      if (collecting === undefined || key === undefined) continue;
      if (!mayComeYet(answer)) collecting.open.delete(from);
      this.#take(collecting.head, from, key, answer);
      const { head, open } = collecting;
      // Who wants more signatures than came is told so in time.
      if (open.size === 0 && head.isServable && !head.isAwaited) {
        this.#collecting.delete(keyOf(collecting.head));
      }
    }
  }

  /** The node ends: who waits is told. */
  stop(): void {
    this.#isStopped = true;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    for (const { head } of this.#collecting.values()) this.#giveUp(head);
    this.#collecting.clear();
  }

  #take(head: CosignedHead, from: NodeId, key: NoteKey, { result }: CosignAnswer): void {
    if (result.kind === "signed") {
      if (isCosignature(key, head, result.signature)) head.cosigned(key, result.signature);
      return;
    }
    if (result.why === CosignRefusal.otherRoot) this.#deps.onOtherRoot(head, from);
    const isOnlyLate = result.why === CosignRefusal.passed && result.markSize <= head.size;
    if (isOnlyLate && result.markTimeMs > head.timeMs) {
      this.#deps.onPassed(head, result.markTimeMs);
    }
  }

  #voters(head: CosignedHead): Map<NodeId, NoteKey> {
    const { cluster, hasher } = this.#deps;
    const named = head.keys();
    const open = new Map<NodeId, NoteKey>();
    for (const member of cluster.voters()) {
      if (member.nodeId === cluster.self) continue;
      const own = memberKey(hasher, member);
      const key = named.find((known) => isSameKey(known, own));
      if (key !== undefined) open.set(member.nodeId, key);
    }
    return open;
  }

  #send(asked: readonly Collecting[]): void {
    const { cluster } = this.#deps;
    for (const node of new Set(asked.flatMap(({ open }) => [...open.keys()]))) {
      const heads = asked.filter(({ open }) => open.has(node)).map(({ head }) => head);
      for (let at = 0; at < heads.length; at += COSIGN_ITEMS_MAX) {
        const part = heads.slice(at, at + COSIGN_ITEMS_MAX);
        cluster.send(node, "cosignRequest", encodeCosignRequest({ type: "sign", heads: part }));
      }
    }
  }

  #arm(): void {
    if (this.#collecting.size === 0) return;
    this.#stopTimer ??= this.#deps.timers.after(COSIGN_RESEND_MS, () => {
      this.#stopTimer = undefined;
      this.#again();
      this.#arm();
    });
  }

  #again(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const again: Collecting[] = [];
    for (const [key, collecting] of this.#collecting) {
      if (nowMs >= collecting.untilMs || !this.#deps.cluster.isLeading()) {
        this.#giveUp(collecting.head);
        this.#collecting.delete(key);
      } else if (collecting.open.size > 0) again.push(collecting);
    }
    this.#send(again);
  }

  #giveUp(head: CosignedHead): void {
    if (head.isAwaited || !head.isServable) head.fail(cosignaturesMissing(head));
  }
}

function keyOf({
  vault,
  size,
  timeMs,
}: {
  readonly vault: number;
  readonly size: number;
  readonly timeMs: number;
}): string {
  return `${vault}/${size}/${timeMs}`;
}

/** Is it refused for now only? */
function mayComeYet({ result }: CosignAnswer): boolean {
  if (result.kind === "signed") return false;
  return result.why === CosignRefusal.busy || result.why === CosignRefusal.behind;
}

/** Why nobody gets a head: who waits may ask again. */
export function cosignaturesMissing(head: CosignedHead): LedgerError {
  const { have, need, of } = head.missing();
  const missing = Math.max(need - have, 0);
  const message = `the head of ${head.origin} has ${have} cosignatures of ${of} replicas and needs ${need}: ${missing} missing`;
  return new LedgerError("COSIGNATURES_MISSING", message, {
    details: { origin: head.origin, have, need, missing },
    retryAfterMs: 100,
  });
}
