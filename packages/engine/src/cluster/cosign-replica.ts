/**
 * What a replica does when it is asked for its cosignature, "I executed every block up to here" (commitment.md, "Signing
 * rules"; docs/format/cosign.md).
 *
 *   INV-COSIGN-1  A replica signs a root only after it has applied every block below it and found the same root itself.
 *   INV-COSIGN-2  Its mark is synced before the signature leaves. Sizes and times do not go back, at a size there is one
 *                 root, and no time is further ahead of its clock than the largest skew.
 *
 * Heads that are asked for in one turn share an append to the log. A refusal says why, and what the newest mark is. A leader asks
 * again and again until it is answered: what waits already for the same answer is not begun once more.
 */
import type { Clock } from "@authledger/io";
import { checkpointBody } from "@authledger/proof";
import type { GroupState, OpenVault } from "@authledger/state";
import { isGone } from "@authledger/state";
import { equalBytes, LedgerError, type NodeId } from "@authledger/types";
import type { HeadKeys } from "../head-keys.js";
import { type SigningMarks, signingRefused } from "../signing-marks.js";
import {
  type CosignAnswer,
  CosignRefusal,
  encodeCosignReply,
  type HeadToSign,
} from "./cosign-frames.js";
import { COSIGN_APPLY_WAIT_MS, COSIGN_SKEW_MS, COSIGN_WAITING_MAX } from "./cosign-limits.js";
import type { HeadCluster } from "./head-cluster.js";
import type { VaultGrowth } from "./vault-growth.js";

export interface CosignReplicaDeps {
  readonly cluster: HeadCluster;
  readonly state: Pick<GroupState, "vault" | "rows">;
  readonly marks: SigningMarks;
  readonly keys: HeadKeys;
  readonly clock: Clock;
  readonly growth: VaultGrowth;
  /** Is what is stored of the vault what its blocks say? Nothing is signed over a vault that is not whole. */
  readonly isWhole: (vault: number) => boolean;
  /** Runs something at the end of the turn. */
  readonly soon: (run: () => void) => void;
  /** The node must halt: its history contradicts what it has signed, or what it has stored cannot be read. */
  readonly onHalt: (error: LedgerError) => void;
}

interface Asked {
  readonly from: NodeId;
  readonly head: HeadToSign;
}

/** A head that may be signed once its mark is durable. */
interface Allowed extends Asked {
  readonly origin: string;
}

interface Mark {
  readonly size: number;
  readonly timeMs: number;
}

const NO_MARK: Mark = { size: 0, timeMs: 0 };

export class CosignReplica {
  readonly #deps: CosignReplicaDeps;
  /** What is asked and not answered yet. */
  readonly #open = new Set<string>();
  #ready: Asked[] = [];

  constructor(deps: CosignReplicaDeps) {
    this.#deps = deps;
  }

  /** Somebody asks for cosignatures. */
  asked(from: NodeId, heads: readonly HeadToSign[]): void {
    for (const head of heads) {
      const key = keyOf({ from, head });
      if (this.#open.has(key)) continue;
      this.#open.add(key);
      this.#start(this.#wait({ from, head }));
    }
  }

  /** Whoever asked waits for no answer of a node that cannot read its own state; the leader asks again. */
  #start(work: Promise<void>): void {
    work.catch((error: unknown) => this.#deps.onHalt(LedgerError.from(error)));
  }

  async #wait(asked: Asked): Promise<void> {
    const { growth, state } = this.#deps;
    const { vault, size } = asked.head;
    const row = state.rows.vault(vault);
    const isHere = (row !== undefined && isGone(row)) || (state.vault(vault)?.size ?? 0) >= size;
    if (!isHere) {
      if (growth.waiting >= COSIGN_WAITING_MAX) {
        this.#reply(asked.from, [refused(asked.head, CosignRefusal.busy, NO_MARK)]);
        return;
      }
      await growth.until(vault, size, COSIGN_APPLY_WAIT_MS);
    }
    if (this.#ready.length === 0) this.#deps.soon(() => this.#start(this.#signReady()));
    this.#ready.push(asked);
  }

  async #signReady(): Promise<void> {
    const ready = this.#ready;
    this.#ready = [];
    const marks = new Map<number, Mark>();
    const allowed: Allowed[] = [];
    const answers: { from: NodeId; answer: CosignAnswer }[] = [];
    for (const asked of ready) {
      const decided = this.#decide(asked, marks);
      if ("origin" in decided) allowed.push(decided);
      else answers.push({ from: asked.from, answer: decided });
    }
    for (const { from, head, signature } of await this.#sign(allowed)) {
      const { vault, size, timeMs } = head;
      const answer: CosignAnswer =
        signature === undefined
          ? refused(head, CosignRefusal.busy, NO_MARK)
          : { vault, size, timeMs, result: { kind: "signed", signature } };
      answers.push({ from, answer });
    }
    for (const from of new Set(answers.map((answer) => answer.from))) {
      this.#reply(
        from,
        answers.flatMap((each) => (each.from === from ? [each.answer] : [])),
      );
    }
  }

  /** INV-COSIGN-2: the marks are durable before any signature is made, which is none of a wrong replica (INV-REPLICA-11). */
  async #sign(
    allowed: readonly Allowed[],
  ): Promise<readonly (Asked & { readonly signature: Uint8Array | undefined })[]> {
    if (allowed.length === 0) return [];
    const { marks, keys, cluster } = this.#deps;
    const isDurable = await marks
      .append(allowed.map(({ head, origin }) => ({ ...head, origin })))
      .then(() => true)
      .catch(() => false);
    const maySign = isDurable && cluster.stateProblem() === undefined;
    return allowed.map(({ from, head, origin }) => {
      const body = checkpointBody({ origin, size: BigInt(head.size), root: head.root });
      const signature = maySign ? keys.cosign(body, head.timeMs) : undefined;
      return { from, head, signature };
    });
  }

  #decide(asked: Asked, allowed: Map<number, Mark>): Allowed | CosignAnswer {
    const { head } = asked;
    const vault = this.#deps.state.vault(head.vault);
    const row = this.#deps.state.rows.vault(head.vault);
    if (row !== undefined && isGone(row)) return refused(head, CosignRefusal.gone, NO_MARK);
    const mark = allowed.get(head.vault) ?? this.#deps.marks.of(head.vault) ?? NO_MARK;
    const why = vault === undefined ? CosignRefusal.behind : this.#whyNot(vault, head, mark);
    if (vault === undefined || why !== undefined) return refused(head, why!, mark);
    allowed.set(head.vault, head);
    return { ...asked, origin: vault.row.origin };
  }

  #whyNot(vault: OpenVault, head: HeadToSign, mark: Mark): CosignRefusal | undefined {
    const { marks, clock, isWhole, cluster } = this.#deps;
    if (vault.size < head.size) return CosignRefusal.behind;
    const problem = cluster.stateProblem();
    // One that was rebuilt signs in a moment, and is asked again.
    if (problem?.code === "NOT_READY") return CosignRefusal.busy;
    if (problem !== undefined || !isWhole(vault.id)) return CosignRefusal.diverged;
    // After a restart the log may hold a newer mark than the state that is applied up to what is known to be committed.
    if ((marks.of(vault.id)?.size ?? 0) > vault.size) return CosignRefusal.behind;
    if (!marks.continues(vault, vault.size)) {
      const signedSize = marks.of(vault.id)!.size;
      this.#deps.onHalt(signingRefused(vault.row.origin, { signedSize, size: vault.size }));
      return CosignRefusal.diverged;
    }
    if (!equalBytes(marks.rootAt(vault, head.size), head.root)) return CosignRefusal.otherRoot;
    if (head.size < mark.size || head.timeMs < mark.timeMs) return CosignRefusal.passed;
    if (marks.mayGoBack(vault, head, clock.nowMs())) return CosignRefusal.busy;
    const newestMs = Math.max(head.timeMs, blockTimeMs(vault, head.size));
    if (newestMs > clock.nowMs() + COSIGN_SKEW_MS) return CosignRefusal.ahead;
    return undefined;
  }

  #reply(to: NodeId, answers: readonly CosignAnswer[]): void {
    for (const head of answers) this.#open.delete(keyOf({ from: to, head }));
    this.#deps.cluster.send(to, "cosignReply", encodeCosignReply({ type: "answers", answers }));
  }
}

function keyOf({
  from,
  head: { vault, size, timeMs },
}: {
  readonly from: NodeId;
  readonly head: Pick<HeadToSign, "vault" | "size" | "timeMs">;
}): string {
  return `${from}/${vault}/${size}/${timeMs}`;
}

/** When the newest block of a head was made. */
function blockTimeMs(vault: OpenVault, size: number): number {
  if (size === vault.size) return vault.tip.header.timestampMs;
  const header = vault.header(size - 1)!;
  return Number(new DataView(header.buffer, header.byteOffset).getBigUint64(48));
}

function refused(
  { vault, size, timeMs }: HeadToSign,
  why: CosignRefusal,
  mark: Mark,
): CosignAnswer {
  const { size: markSize, timeMs: markTimeMs } = mark;
  return { vault, size, timeMs, result: { kind: "refused", why, markSize, markTimeMs } };
}
