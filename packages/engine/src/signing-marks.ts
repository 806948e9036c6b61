/**
 * The high-water marks of what this node has signed, one of each vault, in its log (commitment.md, "Signing rules", 2).
 * Leaders and cosigners keep the same ones: a node signs one history, whatever its role is.
 *
 * A node that may have lost the end of its log may have lost marks whose signatures left. Together with others it signs
 * nothing while it is in doubt, and later nothing that such a mark forbids: no lost mark is later than the clocks allowed when the
 * doubt ended, or larger than the vault was. That is remembered as long as the process lives: one that starts again sooner
 * than its clock has passed that time, or before it has signed a vault once, relies on its clock and on the other cosigners.
 */
import { rangeRoot } from "@authledger/proof";
import type { OpenVault } from "@authledger/state";
import {
  equalBytes,
  type GroupId,
  type Hasher,
  LedgerError,
  type VaultId,
} from "@authledger/types";
import type { SignedRecord, Wal } from "@authledger/wal";
import { COSIGN_SKEW_MS } from "./cluster/cosign-limits.js";
import type { HeadContent } from "./cluster/cosigned-head.js";

export class SigningMarks {
  readonly #group: GroupId;
  readonly #wal: Wal;
  readonly #hasher: Hasher;
  readonly #isInDoubt: () => boolean;
  #wasInDoubt: boolean;
  /** No lost mark is later; 0 where none was lost. */
  #lostMs = 0;

  constructor(group: GroupId, wal: Wal, hasher: Hasher, isInDoubt: () => boolean) {
    this.#isInDoubt = isInDoubt;
    this.#wasInDoubt = isInDoubt();
    this.#group = group;
    this.#wal = wal;
    this.#hasher = hasher;
  }

  /** The newest mark of a vault, also one that is still on its way to the disk. */
  of(vault: number): SignedRecord | undefined {
    return this.#wal.signedMark(this.#group, vault as VaultId);
  }

  /** May a mark that was lost have been larger or later? */
  mayGoBack(vault: OpenVault, head: Pick<HeadContent, "size" | "timeMs">, nowMs: number): boolean {
    this.noteDoubt(nowMs);
    if (this.#wasInDoubt || head.timeMs < this.#lostMs) return true;
    return head.size < vault.size && (this.of(vault.id)?.timeMs ?? 0) < this.#lostMs;
  }

  /** How far a mark that was lost may be ahead of this time. */
  lostAheadMs(timeMs: number): number {
    return this.#lostMs - timeMs;
  }

  /** Called often, so that the end of a doubt is noticed when it comes. */
  noteDoubt(nowMs: number): void {
    const isInDoubt = this.#isInDoubt();
    if (this.#wasInDoubt && !isInDoubt) this.#lostMs = nowMs + COSIGN_SKEW_MS;
    this.#wasInDoubt = isInDoubt;
  }

  /** Does the vault's own history of this size continue what was signed? */
  continues(vault: OpenVault, size: number): boolean {
    const mark = this.of(vault.id);
    if (mark === undefined) return true;
    return mark.size <= size && equalBytes(this.rootAt(vault, mark.size), mark.root);
  }

  /** The root of the vault's own history of a size it has. */
  rootAt(vault: OpenVault, size: number): Uint8Array {
    if (size === vault.size) return vault.history.root();
    return rangeRoot(this.#hasher, vault.historyNode, 0, size);
  }

  /** Resolves when the marks of these heads are durable: then, and not before, may their signatures leave. */
  append(heads: readonly HeadContent[]): Promise<void> {
    const records = heads.map(
      ({ vault, size, root, timeMs }): SignedRecord => ({
        ...{ kind: "signed", group: this.#group, vault: vault as VaultId, size, root, timeMs },
      }),
    );
    return this.#wal.append(records);
  }
}

/** The vault's history does not continue what this node has signed: the node must halt. */
export function signingRefused(
  origin: string,
  sizes: { readonly signedSize: number; readonly size: number },
): LedgerError {
  const message = `the history of ${origin} does not continue the head of size ${sizes.signedSize} that this node has signed`;
  return new LedgerError("SIGNING_REFUSED", message, { details: { origin, ...sizes } });
}
