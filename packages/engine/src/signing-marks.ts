/**
 * The high-water marks of what this node has signed, one of each vault, in its log (commitment.md, "Signing rules", 2).
 * Leaders and cosigners keep the same ones: a node signs one history, whatever its role is.
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
import type { HeadContent } from "./cluster/cosigned-head.js";

export class SigningMarks {
  readonly #group: GroupId;
  readonly #wal: Wal;
  readonly #hasher: Hasher;

  constructor(group: GroupId, wal: Wal, hasher: Hasher) {
    this.#group = group;
    this.#wal = wal;
    this.#hasher = hasher;
  }

  /** The newest mark of a vault, also one that is still on its way to the disk. */
  of(vault: number): SignedRecord | undefined {
    return this.#wal.signedMark(this.#group, vault as VaultId);
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
