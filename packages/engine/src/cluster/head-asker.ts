/**
 * How a node that does not lead gets signed heads: it asks the leader, all questions of a turn in one frame, and keeps what
 * it got. One round trip at most; heads of the same second are given out again.
 */
import type { Clock, Random, Timers } from "@authledger/io";
import { isErrorCode, LedgerError } from "@authledger/types";
import { deferred } from "../deferred.js";
import { CHECKPOINTS_KEPT_MAX } from "../limits.js";
import {
  COSIGN_ITEMS_MAX,
  encodeCosignRequest,
  type HeadAnswer,
  type HeadQuestion,
} from "./cosign-frames.js";
import { COSIGN_RESEND_MS, HEAD_WAIT_MS, HEADS_UNDER_WAY_MAX } from "./cosign-limits.js";
import type { SignedHead } from "./cosigned-head.js";
import type { HeadCluster } from "./head-cluster.js";
import { QuestionIds } from "./question-ids.js";

export interface HeadAskerDeps {
  readonly cluster: HeadCluster;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly soon: (run: () => void) => void;
}

/** What a head must be to answer somebody. */
export interface HeadWish {
  readonly minSize: number;
  readonly cosignatures: number;
}

interface Question extends HeadQuestion {
  readonly resolve: (head: SignedHead) => void;
  readonly reject: (error: LedgerError) => void;
  readonly answered: Promise<SignedHead>;
  readonly untilMs: number;
}

export class HeadAsker {
  readonly #deps: HeadAskerDeps;
  readonly #open = new Map<number, Question>();
  readonly #kept = new Map<number, { readonly head: SignedHead; readonly cosignatures: number }>();
  readonly #ids: QuestionIds;
  #unsent: Question[] = [];
  #stopTimer: (() => void) | undefined;

  constructor(deps: HeadAskerDeps) {
    this.#deps = deps;
    this.#ids = new QuestionIds(deps.random);
  }

  /** A head of this second and of at least this size. @throws LedgerError COSIGNATURES_MISSING, OVERLOADED, ... */
  async head(vault: number, { minSize, cosignatures }: HeadWish): Promise<SignedHead> {
    const kept = this.#kept.get(vault);
    if (kept !== undefined && kept.head.size >= minSize && kept.cosignatures >= cosignatures) {
      if (isSameSecond(kept.head.timeMs, this.#deps.clock.nowMs())) return kept.head;
    }
    for (const question of this.#unsent) {
      const isSame = question.vault === vault && question.minSize >= minSize;
      if (isSame && question.cosignatures >= cosignatures) return question.answered;
    }
    return this.#ask({ vault, minSize, cosignatures }).answered;
  }

  /** The leader has answered. */
  answered(answers: readonly HeadAnswer[]): void {
    for (const { id, result } of answers) {
      const question = this.#open.get(id);
      if (question === undefined) continue;
      if (result.kind === "head" && result.size < question.minSize) continue;
      this.#open.delete(id);
      if (result.kind === "failed") {
        question.reject(errorOf(result));
        continue;
      }
      const { size, note, timeMs } = result;
      const head: SignedHead = { size, note, timeMs };
      this.#keep(question, head);
      question.resolve(head);
    }
  }

  forget(vault: number): void {
    this.#kept.delete(vault);
  }

  stop(): void {
    this.#stopTimer?.();
    for (const { reject } of this.#open.values()) reject(noAnswer());
    this.#open.clear();
  }

  #ask(wish: Omit<HeadQuestion, "id">): Question {
    if (this.#open.size >= HEADS_UNDER_WAY_MAX) {
      const message = `${this.#open.size} answers wait for heads of the leader`;
      throw new LedgerError("OVERLOADED", message, { retryAfterMs: COSIGN_RESEND_MS });
    }
    const { promise: answered, resolve, reject } = deferred<SignedHead>();
    const untilMs = this.#deps.clock.monotonicMs() + HEAD_WAIT_MS;
    const question = { id: this.#ids.next(), ...wish, answered, resolve, reject, untilMs };
    this.#open.set(question.id, question);
    if (this.#unsent.length === 0) {
      this.#deps.soon(() => {
        const unsent = this.#unsent;
        this.#unsent = [];
        this.#send(unsent);
        this.#arm();
      });
    }
    this.#unsent.push(question);
    return question;
  }

  #send(questions: readonly Question[]): void {
    const { cluster } = this.#deps;
    const leader = cluster.leader();
    if (leader === undefined || leader === cluster.self) return;
    for (let at = 0; at < questions.length; at += COSIGN_ITEMS_MAX) {
      const part = questions.slice(at, at + COSIGN_ITEMS_MAX);
      const payload = encodeCosignRequest({ type: "ask", questions: part });
      cluster.send(leader, "cosignRequest", payload);
    }
  }

  #arm(): void {
    if (this.#open.size === 0) return;
    this.#stopTimer ??= this.#deps.timers.after(COSIGN_RESEND_MS, () => {
      this.#stopTimer = undefined;
      const nowMs = this.#deps.clock.monotonicMs();
      for (const { id, untilMs, reject } of this.#open.values()) {
        if (nowMs < untilMs) continue;
        this.#open.delete(id);
        reject(noAnswer());
      }
      this.#send([...this.#open.values()]);
      this.#arm();
    });
  }

  #keep({ vault, cosignatures }: HeadQuestion, head: SignedHead): void {
    const known = this.#kept.get(vault);
    if (known !== undefined && known.head.timeMs > head.timeMs) return;
    this.#kept.delete(vault);
    this.#kept.set(vault, { head, cosignatures });
    if (this.#kept.size <= CHECKPOINTS_KEPT_MAX) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}

function isSameSecond(aMs: number, bMs: number): boolean {
  return Math.floor(aMs / 1000) === Math.floor(bMs / 1000);
}

function errorOf({
  code,
  message,
}: {
  readonly code: string;
  readonly message: string;
}): LedgerError {
  return new LedgerError(isErrorCode(code) ? code : "COSIGNATURES_MISSING", message);
}

function noAnswer(): LedgerError {
  const message =
    "no leader has answered with a signed head: the cosignatures of a majority are missing";
  return new LedgerError("COSIGNATURES_MISSING", message, { retryAfterMs: COSIGN_RESEND_MS });
}
