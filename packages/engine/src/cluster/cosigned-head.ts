/**
 * A head that is being signed: what it says, who has signed it so far, and who waits for it. It is served when the log and
 * a quorum of every policy that clients may hold have signed; later cosignatures make the note better.
 *
 *   INV-COSIGN-3  A note that is given out carries the log's signature and a quorum of each policy in need, all of one
 *                 time, so that the time of its quorum is the time its answers were made by (INV-ANSWER-1).
 */
import { checkpointBody, formatCheckpoint, type NoteKey, type Policy } from "@authledger/proof";
import { LedgerError, toHex } from "@authledger/types";
import { madeLine } from "../head-keys.js";

/** A head with its signatures. */
export interface SignedHead {
  readonly size: number;
  readonly note: string;
  /** What it is signed with; the note says whole seconds. */
  readonly timeMs: number;
}

/** What a head says. */
export interface HeadContent {
  readonly vault: number;
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly timeMs: number;
}

interface Waiter {
  /** Distinct cosigners of the newest policy. */
  readonly cosignatures: number;
  readonly resolve: (head: SignedHead) => void;
  readonly reject: (error: LedgerError) => void;
}

export class CosignedHead implements HeadContent {
  readonly vault: number;
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly timeMs: number;
  /** The text that is signed. */
  readonly body: string;
  /** Policies that clients may hold, the newest last. */
  readonly policies: readonly Policy[];
  readonly #lines = new Map<string, string>();
  #logLine: string | undefined;
  readonly #loggers: ((note: string) => void)[] = [];
  #waiters: Waiter[] = [];
  #failure: LedgerError | undefined;
  #signed: SignedHead | undefined;

  constructor(content: HeadContent, policies: readonly Policy[]) {
    this.vault = content.vault;
    this.origin = content.origin;
    this.size = content.size;
    this.root = content.root;
    this.timeMs = content.timeMs;
    this.body = checkpointBody({ ...content, size: BigInt(content.size) });
    this.policies = policies;
  }

  /** Could it not be signed? Then it must be asked for anew. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Resolves when the log, every quorum and so many cosigners have signed. */
  wait(cosignatures: number): Promise<SignedHead> {
    const policy = this.policies.at(-1)!;
    const most = idsOf(policy, () => true);
    if (cosignatures > most) return Promise.reject(tooMany(this.origin, cosignatures, most));
    return new Promise((resolve, reject) => {
      this.#waiters.push({ cosignatures, resolve, reject });
      this.#settle();
    });
  }

  signedByLog(line: string): void {
    this.#logLine = line;
    this.#changed();
    for (const run of this.#loggers.splice(0)) run(this.#head().note);
  }

  /** Runs with the note as it is once the log has signed it, whoever else has. */
  whenLogged(run: (note: string) => void): void {
    if (this.#logLine === undefined) this.#loggers.push(run);
    else run(this.#head().note);
  }

  /** Takes a cosignature that was checked; one of a key that no policy names says nothing to anybody. */
  cosigned(key: NoteKey, signature: Uint8Array): void {
    const id = toHex(key.publicKey);
    if (this.#lines.has(id) || !this.keys().some((known) => toHex(known.publicKey) === id)) return;
    this.#lines.set(id, madeLine(key, this, signature));
    this.#changed();
  }

  hasSignatureOf(key: Uint8Array): boolean {
    return this.#lines.has(toHex(key));
  }

  /** The keys of all policies, each once. */
  keys(): readonly NoteKey[] {
    const keys = this.policies.flatMap(({ cosigners }) => cosigners.map(({ key }) => key));
    return [...new Map(keys.map((key) => [toHex(key.publicKey), key])).values()];
  }

  /** Cosigners that are still missing, of the policy that misses most. */
  missing(): { readonly have: number; readonly need: number; readonly of: number } {
    const counts = this.policies.map((policy) => {
      const have = this.#signers(policy);
      return { have, need: policy.quorum, of: idsOf(policy, () => true) };
    });
    return counts.reduce((a, b) => (b.need - b.have > a.need - a.have ? b : a));
  }

  get isServable(): boolean {
    const { have, need } = this.missing();
    return this.#logLine !== undefined && have >= need;
  }

  /** Is it answered at once to who asks for so many cosigners? */
  answers(cosignatures: number): boolean {
    return this.isServable && this.#signers(this.policies.at(-1)!) >= cosignatures;
  }

  fail(error: LedgerError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiters.splice(0)) reject(error);
  }

  /** Another head answers those who wait for this one. */
  passOnTo(next: (cosignatures: number) => Promise<SignedHead>): void {
    const waiters = this.#waiters.splice(0);
    this.fail(
      new LedgerError("COSIGNATURES_MISSING", `another head follows that of ${this.origin}`),
    );
    for (const { cosignatures, resolve, reject } of waiters) {
      next(cosignatures).then(resolve, (error: unknown) => reject(LedgerError.from(error)));
    }
  }

  #signers(policy: Policy): number {
    return idsOf(policy, ({ publicKey }) => this.hasSignatureOf(publicKey));
  }

  #changed(): void {
    this.#signed = undefined;
    this.#settle();
  }

  #settle(): void {
    if (this.#waiters.length === 0 || !this.isServable) return;
    const have = this.#signers(this.policies.at(-1)!);
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ cosignatures }) => cosignatures > have);
    for (const { cosignatures, resolve } of waiters) {
      if (cosignatures <= have) resolve(this.#head());
    }
  }

  #head(): SignedHead {
    this.#signed ??= {
      size: this.size,
      timeMs: this.timeMs,
      note: formatCheckpoint(this.body, [this.#logLine!, ...this.#cosignedLines()]),
    };
    return this.#signed;
  }

  /** In the order of the policies, so that equal signatures are equal notes. */
  #cosignedLines(): string[] {
    return this.keys().flatMap(({ publicKey }) => this.#lines.get(toHex(publicKey)) ?? []);
  }
}

/** Distinct cosigner ids of a policy whose key is one of these. */
function idsOf(policy: Policy, isOne: (key: NoteKey) => boolean): number {
  return new Set(policy.cosigners.filter(({ key }) => isOne(key)).map(({ id }) => id)).size;
}

function tooMany(origin: string, asked: number, most: number): LedgerError {
  const message = `${asked} cosignatures were asked for; the policy of ${origin} names ${most} replicas`;
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field: "prove.cosignatures" } });
}
