/**
 * Signed heads of vaults (commitment.md, "Signing rules"). A leader makes them: it signs with the log key and its own, and
 * collects the cosignatures of the other voters where the policy names any. Everybody else asks the leader.
 *
 *   INV-SIGN-1  Only what is committed and applied here is signed.
 *   INV-SIGN-2  The high-water mark is synced before a signature leaves: sizes and times never go back, and at
 *               each size there is one root. A mark that our history does not continue stops the signing.
 *
 * Requests of one turn share one append to the log and one frame to each voter; the others' syncs run beside our own.
 *
 * Replicas sign no time that is far ahead of their clocks. A leader whose clock is not like theirs makes no head that needs
 * them; one whose clock was ahead and was set back has signed such a time, cannot go back behind it, and lets another lead.
 */

import type { Clock, Random, Timers } from "@authledger/io";
import type { NoteKey, Policy } from "@authledger/proof";
import type { OpenVault } from "@authledger/state";
import { type GroupId, type Hasher, LedgerError } from "@authledger/types";
import type { SignedRecord, Wal } from "@authledger/wal";
import { CosignLeader, cosignaturesMissing } from "./cluster/cosign-leader.js";
import { COSIGN_RESEND_MS, COSIGN_SKEW_MS, HEADS_UNDER_WAY_MAX } from "./cluster/cosign-limits.js";
import { CosignedHead, type SignedHead } from "./cluster/cosigned-head.js";
import { HeadAsker, type HeadWish } from "./cluster/head-asker.js";
import type { HeadCluster } from "./cluster/head-cluster.js";
import { firstPolicy } from "./cluster/voters-policy.js";
import { HeadKeys } from "./head-keys.js";
import { CHECKPOINT_REUSE_MS, CHECKPOINTS_KEPT_MAX } from "./limits.js";
import type { NodeSecrets } from "./node-directory.js";
import { SigningMarks, signingRefused } from "./signing-marks.js";

export type { SignedHead } from "./cluster/cosigned-head.js";

/** A head that is being signed. Its time is known at once: answers are judged by it before they wait for the note. */
export interface HeadRequest {
  readonly size: number;
  readonly timeMs: number;
  /**
   * Another one where this cannot be: on a full disk an older head of the same size, with an older time; a newer one when
   * a cosigner has signed a later time. Rejects as `head`.
   */
  readonly signed: Promise<SignedHead>;
}

/** What signing together takes. */
interface TogetherDeps {
  readonly cluster: HeadCluster;
  readonly timers: Timers;
  readonly random: Random;
  /** Whose cosignatures a new vault's heads need: the keys of the voters. */
  readonly cosigners: () => readonly NoteKey[];
  /** The policies that clients of a vault may hold, the newest last. */
  readonly policies: (vault: OpenVault) => readonly Policy[];
  readonly vault: (id: number) => OpenVault | undefined;
  /** A replica has another root at the size of a head that this node has signed. */
  readonly onOtherRoot: CosignLeaderDeps["onOtherRoot"];
  /** This node has signed a vault with a time that no other signs yet, or may have: another one must lead. */
  readonly onAhead: (origin: string, aheadMs: number) => void;
}
type CosignLeaderDeps = ConstructorParameters<typeof CosignLeader>[0];

export interface SignerDeps {
  readonly wal: Wal;
  readonly clock: Clock;
  readonly hasher: Hasher;
  /** Runs something at the end of the turn. */
  readonly soon: (run: () => void | Promise<void>) => void;
  /** A head would have contradicted one that was signed: the node must halt. */
  readonly onHalt: (error: LedgerError) => void;
  /** Absent where this node is the only replica. */
  readonly together?: TogetherDeps | undefined;
}

const ANY_HEAD: HeadWish = { minSize: 0, cosignatures: 0 };

export class Signer {
  readonly keys: HeadKeys;
  readonly marks: SigningMarks;
  readonly #deps: SignerDeps;
  readonly #leader: CosignLeader | undefined;
  readonly #asker: HeadAsker | undefined;
  /** The newest head of each vault that was made here, signed or under way. */
  readonly #newest = new Map<number, CosignedHead>();
  /** Times that cosigners of a vault have signed, where they are ahead of ours. */
  readonly #floorsMs = new Map<number, number>();
  readonly #pending = new Set<Promise<unknown>>();
  /** Heads that somebody waits for, whoever else has forgotten them meanwhile. */
  readonly #awaited = new Set<CosignedHead>();
  #queue: CosignedHead[] = [];

  constructor(group: GroupId, replicaName: string, secrets: NodeSecrets, deps: SignerDeps) {
    const { hasher, clock, soon, together } = deps;
    this.#deps = deps;
    this.keys = new HeadKeys(hasher, replicaName, secrets);
    const isInDoubt = (): boolean => together?.cluster.isInDoubt() ?? false;
    this.marks = new SigningMarks(group, deps.wal, hasher, isInDoubt);
    if (together === undefined) return;
    const { cluster, timers, random, onOtherRoot } = together;
    const onPassed = (head: CosignedHead, timeMs: number): void => this.#passed(head, timeMs);
    this.#leader = new CosignLeader({ cluster, timers, clock, hasher, onPassed, onOtherRoot });
    this.#asker = new HeadAsker({ cluster, timers, clock, random, soon });
  }

  /** Does this node get its heads from another? */
  get asksLeader(): boolean {
    return this.#deps.together?.cluster.isLeading() === false;
  }

  /** Collects cosignatures for this node's heads. */
  get collecting(): CosignLeader | undefined {
    return this.#leader;
  }

  /** Gets heads from the leader. */
  get asking(): HeadAsker | undefined {
    return this.#asker;
  }

  /** The policy that a new vault begins with: its log key and the replicas of now. */
  firstPolicy(origin: string): Policy {
    const keys = this.#deps.together?.cosigners() ?? [];
    return firstPolicy(this.keys.log(origin), keys.length === 0 ? [this.keys.replica] : keys);
  }

  /**
   * A signed head of the vault as it is now, or newer. One of the same size and second is given out again.
   * On a full disk so is an older one of the same size, since no new mark can be kept.
   * @throws LedgerError (by rejection) SIGNING_REFUSED, REPLICA_DIVERGED, DISK_FULL, COSIGNATURES_MISSING, CLOCK_SKEW, OVERLOADED
   */
  async head(
    vault: OpenVault,
    { minSize, cosignatures }: HeadWish = ANY_HEAD,
  ): Promise<SignedHead> {
    if (!this.asksLeader) return this.request(vault, cosignatures).signed;
    const wish = { minSize: Math.max(minSize, vault.size), cosignatures };
    return this.#noted(this.#asker!.head(vault.id, wish));
  }

  /**
   * The same on the node that makes heads, with the time it is signed with before it is signed.
   * @throws LedgerError SIGNING_REFUSED, REPLICA_DIVERGED, CLOCK_SKEW, COSIGNATURES_MISSING, OVERLOADED
   */
  request(vault: OpenVault, cosignatures = 0): HeadRequest {
    this.#requireRight();
    const { size } = vault;
    const now = this.#deps.clock.nowMs();
    const newest = this.#newest.get(vault.id);
    // Where this clock is behind, another head would have the same time as the newest, which is no earlier than any mark.
    const isGood =
      newest?.size === size &&
      this.#maySatisfy(newest, cosignatures) &&
      (newest.timeMs >= now ||
        isSameSecond(newest.timeMs, now) ||
        (newest.answers(cosignatures) && this.#clockProblem(newest) !== undefined));
    const head = isGood ? newest : this.#make(vault, now);
    const waiting = head.wait(cosignatures);
    const ended = (): void => {
      if (!head.isAwaited) this.#awaited.delete(head);
    };
    this.#awaited.add(head);
    waiting.then(ended, ended);
    return { size, timeMs: head.timeMs, signed: this.#noted(waiting) };
  }

  /** Is it signed by so many, or may it yet be? */
  #maySatisfy(head: CosignedHead, cosignatures: number): boolean {
    if (head.hasFailed) return false;
    const isUnderWay = !head.isServable || this.#leader?.isCollecting(head) === true;
    return isUnderWay || head.answers(cosignatures);
  }

  /** Forgets a vault that is deleted; its mark stays in the log, where it can only refuse. */
  forget(vault: number): void {
    this.#newest.delete(vault);
    this.#floorsMs.delete(vault);
    this.#asker?.forget(vault);
  }

  /** Nobody waits for the signatures of others any longer. */
  stop(): void {
    this.#leader?.stop();
    this.#asker?.stop();
    for (const head of this.#awaited) {
      if (this.#needsOthers(head) && head.isAwaited) head.fail(cosignaturesMissing(head));
    }
  }

  /** Resolves when everything asked for so far is signed or refused. */
  async idle(): Promise<void> {
    this.stop();
    await Promise.allSettled([...this.#pending]);
  }

  /** Is the newest mark of another size than the vault? A larger one is for `head` to refuse. */
  isMoved(vault: OpenVault): boolean {
    return this.marks.of(vault.id)?.size !== vault.size;
  }

  /** Is the newest head that others cosigned older than this? */
  isOlderThan(vault: OpenVault, ageMs: number): boolean {
    const newest = this.#newest.get(vault.id);
    if (newest === undefined || newest.keys().length < 2) return false;
    return newest.timeMs + ageMs <= this.#deps.clock.nowMs();
  }

  #noted<T>(signed: Promise<T>): Promise<T> {
    const settled = (): void => void this.#pending.delete(signed);
    this.#pending.add(signed);
    signed.then(settled, settled);
    return signed;
  }

  /** INV-REPLICA-11: a mark of a wrong root would outlive the state that it is of. @throws LedgerError REPLICA_DIVERGED, NOT_READY */
  #requireRight(): void {
    const problem = this.#deps.together?.cluster.stateProblem();
    if (problem !== undefined) throw problem;
  }

  #make(vault: OpenVault, nowMs: number): CosignedHead {
    if (this.#queue.length >= HEADS_UNDER_WAY_MAX) throw tooManyHeads(this.#queue.length);
    const { origin } = vault.row;
    const timeMs = this.#timeFor(vault, nowMs);
    const content = { vault: vault.id, origin, size: vault.size, root: vault.history.root() };
    const policies = this.#deps.together?.policies(vault) ?? [this.firstPolicy(origin)];
    const head = new CosignedHead({ ...content, timeMs }, policies);
    if (this.#needsOthers(head)) this.#requireSignable(vault, head, nowMs);
    this.#floorsMs.delete(vault.id);
    if (this.#queue.length === 0) this.#deps.soon(() => this.#signQueue());
    this.#queue.push(head);
    this.#keep(head);
    return head;
  }

  /** INV-SIGN-2; returns the time to sign with. */
  #timeFor(vault: OpenVault, nowMs: number): number {
    const mark = this.marks.of(vault.id);
    if (mark !== undefined && !this.marks.continues(vault, vault.size)) {
      const { origin } = vault.row;
      const refused = signingRefused(origin, { signedSize: mark.size, size: vault.size });
      this.#deps.onHalt(refused);
      throw refused;
    }
    const queued = this.#queue.findLast((head) => head.vault === vault.id);
    const floorMs = this.#floorsMs.get(vault.id) ?? 0;
    return Math.max(nowMs, mark?.timeMs ?? 0, queued?.timeMs ?? 0, floorMs);
  }

  /** What others must sign is not begun where they would refuse it. @throws LedgerError CLOCK_SKEW, COSIGNATURES_MISSING */
  #requireSignable(vault: OpenVault, head: CosignedHead, nowMs: number): void {
    const problem = this.#clockProblem(head);
    if (problem !== undefined) throw problem;
    const aheadMs = head.timeMs - nowMs;
    if (aheadMs > COSIGN_SKEW_MS) {
      this.#deps.together?.onAhead(head.origin, aheadMs);
      throw signedAhead(head.origin, aheadMs);
    }
    if (!this.marks.mayGoBack(vault, head, nowMs)) return;
    // What is within the skew after a doubt passes by itself; what is not was bounded by a clock that was ahead.
    const lostAheadMs = this.marks.lostAheadMs(head.timeMs) - COSIGN_SKEW_MS;
    if (lostAheadMs > COSIGN_SKEW_MS) this.#deps.together?.onAhead(head.origin, lostAheadMs);
    throw cosignaturesMissing(head);
  }

  #clockProblem(head: CosignedHead): LedgerError | undefined {
    return this.#needsOthers(head) ? this.#deps.together?.cluster.clockProblem() : undefined;
  }

  async #signQueue(): Promise<void> {
    const queue = this.#queue;
    this.#queue = [];
    const heads: CosignedHead[] = [];
    for (const head of queue) {
      if (this.#isPassed(head)) this.#makeAnew(head);
      else heads.push(head);
    }
    if (heads.length === 0) return;
    try {
      this.#requireRight();
      const together = heads.filter((head) => this.#needsOthers(head));
      if (together.length > 0) this.#leader?.ask(together);
      await this.marks.append(heads);
      this.#requireRight();
      for (const head of heads) this.#sign(head);
    } catch (error) {
      for (const head of heads) this.#refuse(head, LedgerError.from(error));
      if (!(error instanceof LedgerError)) throw error;
    }
  }

  /** Has this node cosigned something newer since the head was made? */
  #isPassed({ vault, size, timeMs }: CosignedHead): boolean {
    const mark = this.marks.of(vault);
    return mark !== undefined && (mark.size > size || mark.timeMs > timeMs);
  }

  #needsOthers(head: CosignedHead): boolean {
    return head.keys().length > 1 || !this.#signsAlone(head);
  }

  #signsAlone(head: CosignedHead): boolean {
    return head.keys().some(({ name }) => name === this.keys.replica.name);
  }

  #sign(head: CosignedHead): void {
    const { origin, body, timeMs } = head;
    head.cosigned(this.keys.replica, this.keys.cosign(body, timeMs));
    head.signedByLog(this.keys.logLine(origin, body));
  }

  /** The log has taken the new mark back; what the one before it allows is still allowed. */
  #refuse(head: CosignedHead, error: LedgerError): void {
    const mark = error.code === "DISK_FULL" ? this.marks.of(head.vault) : undefined;
    const older = mark?.size === head.size ? this.#olderHead(head, mark) : undefined;
    if (!older?.isServable) head.fail(error);
    else head.passOnTo((cosignatures) => older.wait(cosignatures));
  }

  /** What the mark says, signed once more by this node alone; undefined where it has no log key yet. */
  #olderHead(head: CosignedHead, { timeMs }: SignedRecord): CosignedHead | undefined {
    const { vault, origin, size, root } = head;
    const older = new CosignedHead({ vault, origin, size, root, timeMs }, head.policies);
    try {
      this.#sign(older);
    } catch (error) {
      if (!(error instanceof LedgerError)) throw error;
      return undefined;
    }
    return older;
  }

  /** A cosigner has signed the vault with a later time, as under a leader whose clock was ahead: so must the next head. */
  #passed(head: CosignedHead, markTimeMs: number): void {
    const floorMs = Math.max(markTimeMs, this.#floorsMs.get(head.vault) ?? 0);
    if (floorMs > this.#deps.clock.nowMs() + COSIGN_SKEW_MS || head.isServable) return;
    this.#floorsMs.set(head.vault, floorMs);
    this.#makeAnew(head);
  }

  /** Another head of the vault takes its place, with a time and a size that may be signed. */
  #makeAnew(head: CosignedHead): void {
    const vault = this.#deps.together?.vault(head.vault);
    if (vault === undefined) head.fail(cosignaturesMissing(head));
    else head.passOnTo((cosignatures) => this.#retry(vault, cosignatures));
  }

  async #retry(vault: OpenVault, cosignatures: number): Promise<SignedHead> {
    return this.request(vault, cosignatures).signed;
  }

  #keep(head: CosignedHead): void {
    this.#newest.delete(head.vault);
    this.#newest.set(head.vault, head);
    if (this.#newest.size <= CHECKPOINTS_KEPT_MAX) return;
    const [oldest] = this.#newest.keys();
    if (oldest !== undefined) this.#newest.delete(oldest);
  }
}

/** Signatures say whole seconds: one of this second says all that another one would. */
function isSameSecond(aMs: number, bMs: number): boolean {
  return Math.floor(aMs / CHECKPOINT_REUSE_MS) === Math.floor(bMs / CHECKPOINT_REUSE_MS);
}

function signedAhead(origin: string, ahead: number): LedgerError {
  const aheadMs = Math.round(ahead);
  const message = `this node has signed a head of ${origin} with a time ${aheadMs} ms ahead of its clock: another one is to lead`;
  return new LedgerError("CLOCK_SKEW", message, { details: { aheadMs }, retryAfterMs: 1_000 });
}

function tooManyHeads(count: number): LedgerError {
  const message = `${count} heads are being signed`;
  return new LedgerError("OVERLOADED", message, { retryAfterMs: COSIGN_RESEND_MS });
}
