/**
 * Signs heads of vaults (commitment.md, "Signing rules").
 *
 *   INV-SIGN-1  Only what is committed and applied here is signed.
 *   INV-SIGN-2  The high-water mark is synced before a signature leaves: sizes and times never go back, and at
 *               each size there is one root. A mark that our history does not continue stops the signing.
 *
 * Requests of one turn share one append to the log.
 */

import type { Clock } from "@authledger/io";
import {
  checkpointBody,
  cosignatureLine,
  deriveLogSeed,
  formatCheckpoint,
  type NoteKey,
  noteKey,
  type Policy,
  rangeRoot,
  SignatureType,
  signatureLine,
} from "@authledger/proof";
import type { OpenVault } from "@authledger/state";
import {
  equalBytes,
  type GroupId,
  type Hasher,
  LedgerError,
  type VaultId,
} from "@authledger/types";
import type { SignedRecord, Wal } from "@authledger/wal";
import { SigningKey } from "./ed25519.js";
import { CHECKPOINT_REUSE_MS, CHECKPOINTS_KEPT_MAX } from "./limits.js";
import type { NodeSecrets } from "./node-directory.js";

/** The policy epoch of a new vault. */
const FIRST_EPOCH = 1;
/** Cosigner id of the only replica. */
const REPLICA_ID = 1;

export interface SignedHead {
  readonly size: number;
  readonly note: string;
  /** What it is signed with; the note says whole seconds. */
  readonly timeMs: number;
}

/** A head that is being signed. Its time is known at once: answers are judged by it before they wait for the note. */
export interface HeadRequest {
  readonly timeMs: number;
  /** On a full disk an older head of the same size, with an older time. Rejects as `head`. */
  readonly signed: Promise<SignedHead>;
}

interface LogKey {
  readonly key: NoteKey;
  readonly signing: SigningKey;
}

interface Waiting {
  readonly record: SignedRecord;
  readonly origin: string;
  readonly resolve: (head: SignedHead) => void;
  readonly reject: (error: unknown) => void;
}

export interface SignerDeps {
  readonly wal: Wal;
  readonly clock: Clock;
  readonly hasher: Hasher;
  /** Runs something at the end of the turn. */
  readonly soon: (run: () => void) => void;
  /** A head would have contradicted one that was signed: the node must halt. */
  readonly onRefused: (error: LedgerError) => void;
}

export class Signer {
  readonly #group: GroupId;
  readonly #secrets: NodeSecrets;
  readonly #deps: SignerDeps;
  readonly #replica: LogKey;
  readonly #logKeys = new Map<string, LogKey>();
  readonly #kept = new Map<number, SignedHead>();
  /** The newest request of each vault that is under way. */
  readonly #pending = new Map<number, HeadRequest>();
  #waiting: Waiting[] = [];

  constructor(group: GroupId, replicaName: string, secrets: NodeSecrets, deps: SignerDeps) {
    this.#group = group;
    this.#secrets = secrets;
    this.#deps = deps;
    const signing = new SigningKey(secrets.replicaSeed);
    const key = noteKey(deps.hasher, replicaName, SignatureType.cosignature, signing.publicKey);
    this.#replica = { key, signing };
  }

  /** The policy that a new vault begins with: its log key, this replica, quorum 1. */
  firstPolicy(origin: string): Policy {
    return {
      epoch: FIRST_EPOCH,
      logKeys: [this.#logKey(origin).key],
      cosigners: [{ id: REPLICA_ID, key: this.#replica.key }],
      quorum: 1,
      fromSize: 1,
    };
  }

  /**
   * A signed head of the vault as it is now. One of the same size and second is given out again.
   * On a full disk so is an older one of the same size, since no new mark can be kept.
   * @throws LedgerError (by rejection) SIGNING_REFUSED, DISK_FULL
   */
  async head(vault: OpenVault): Promise<SignedHead> {
    return this.request(vault).signed;
  }

  /** The same, with the time it is signed with before it is signed. @throws LedgerError SIGNING_REFUSED */
  request(vault: OpenVault): HeadRequest {
    const { size } = vault;
    const kept = this.#kept.get(vault.id);
    const now = this.#deps.clock.nowMs();
    if (kept?.size === size && isSameSecond(kept.timeMs, now)) {
      return { timeMs: kept.timeMs, signed: Promise.resolve(kept) };
    }
    const pending = this.#pending.get(vault.id);
    const queued = this.#waiting.findLast(({ record }) => record.vault === vault.id);
    if (pending !== undefined && queued?.record.size === size) return pending;
    const request = this.#request(vault, now, queued?.record.timeMs ?? 0);
    this.#pending.set(vault.id, request);
    const settled = (): void => {
      if (this.#pending.get(vault.id) === request) this.#pending.delete(vault.id);
    };
    request.signed.then(settled, settled);
    return request;
  }

  /** Forgets a vault that is deleted; its mark stays in the log, where it can only refuse. */
  forget(vault: number): void {
    this.#kept.delete(vault);
    this.#pending.delete(vault);
  }

  /** Resolves when everything asked for so far is signed or refused. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#pending.values()].map(({ signed }) => signed));
  }

  /** Is the newest mark of another size than the vault? A larger one is for `head` to refuse. */
  isMoved(vault: OpenVault): boolean {
    return this.#mark(vault.id as VaultId)?.size !== vault.size;
  }

  #request(vault: OpenVault, nowMs: number, queuedMs: number): HeadRequest {
    const record: SignedRecord = {
      kind: "signed",
      group: this.#group,
      vault: vault.id as VaultId,
      size: vault.size,
      root: vault.history.root(),
      timeMs: Math.max(this.#checkMark(vault, vault.size, nowMs), queuedMs),
    };
    const { promise, resolve, reject } = deferred<SignedHead>();
    if (this.#waiting.length === 0) this.#deps.soon(() => void this.#signAll());
    this.#waiting.push({ record, origin: vault.row.origin, resolve, reject });
    return { timeMs: record.timeMs, signed: promise };
  }

  /** INV-SIGN-2; returns the time to sign with. */
  #checkMark(vault: OpenVault, size: number, nowMs: number): number {
    const mark = this.#mark(vault.id as VaultId);
    if (mark === undefined) return nowMs;
    const own =
      mark.size <= size
        ? rangeRoot(this.#deps.hasher, vault.historyNode, 0, mark.size)
        : new Uint8Array(0);
    if (equalBytes(own, mark.root)) return Math.max(nowMs, mark.timeMs);
    const message = `the history of ${vault.row.origin} does not continue the head of size ${mark.size} that this node has signed`;
    const refused = new LedgerError("SIGNING_REFUSED", message, {
      details: { origin: vault.row.origin, signedSize: mark.size, size },
    });
    this.#deps.onRefused(refused);
    throw refused;
  }

  async #signAll(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      await this.#deps.wal.append(waiting.map(({ record }) => record));
      for (const request of waiting) request.resolve(this.#sign(request));
    } catch (error) {
      for (const request of waiting) this.#refuse(request, LedgerError.from(error));
    }
  }

  /** The log has taken the new mark back; what the one before it allows is still allowed. */
  #refuse(request: Waiting, error: LedgerError): void {
    const mark = error.code === "DISK_FULL" ? this.#mark(request.record.vault) : undefined;
    if (mark?.size === request.record.size)
      request.resolve(this.#sign({ ...request, record: mark }));
    else request.reject(error);
  }

  #mark(vault: VaultId): SignedRecord | undefined {
    return this.#deps.wal.signedMark(this.#group, vault);
  }

  #sign({ record, origin }: Waiting): SignedHead {
    const log = this.#logKey(origin);
    const body = checkpointBody({ origin, size: BigInt(record.size), root: record.root });
    const note = formatCheckpoint(body, [
      signatureLine(log.key, body, (message) => log.signing.sign(message)),
      cosignatureLine(this.#replica.key, body, Math.floor(record.timeMs / 1000), (message) =>
        this.#replica.signing.sign(message),
      ),
    ]);
    const head = { size: record.size, note, timeMs: record.timeMs };
    this.#kept.delete(record.vault);
    this.#kept.set(record.vault, head);
    if (this.#kept.size > CHECKPOINTS_KEPT_MAX) {
      const [oldest] = this.#kept.keys();
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return head;
  }

  #logKey(origin: string): LogKey {
    const known = this.#logKeys.get(origin);
    if (known !== undefined) return known;
    const signing = new SigningKey(deriveLogSeed(this.#secrets.logSeed, origin, FIRST_EPOCH));
    const key = noteKey(this.#deps.hasher, origin, SignatureType.log, signing.publicKey);
    if (this.#logKeys.size >= CHECKPOINTS_KEPT_MAX) this.#logKeys.clear();
    this.#logKeys.set(origin, { key, signing });
    return { key, signing };
  }
}

/** Signatures say whole seconds: one of this second says all that another one would. */
function isSameSecond(aMs: number, bMs: number): boolean {
  return Math.floor(aMs / CHECKPOINT_REUSE_MS) === Math.floor(bMs / CHECKPOINT_REUSE_MS);
}

/** A promise with its ends outside. */
export function deferred<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}
