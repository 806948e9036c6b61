/**
 * Follows a vault and believes nothing: every block is executed again from its proof, every header must commit to
 * all before it, and every signed head must be consistent with the one before and end the history that was executed.
 *
 *   INV-AUDIT-3  `executed` counts a block only after its header was checked against the executed history before it,
 *                and its execution gave the roots of its header; a position is given out only when the history up to
 *                it is proven to be a part of a head that the ledger signed.
 *
 * Memory is bounded by the blocks that are fetched ahead. Not here: where the position is kept (audit-head.ts).
 */
import {
  decodeHeader,
  HistoryFollower,
  type HistoryPosition,
  type LightClientDeps,
  parseTrustAnchor,
  type TrustedHead,
  type TrustState,
  trustFromAnchor,
  vaultRef,
  verifyBlock,
  verifyCheckpoint,
  verifyConsistency,
} from "@authledger/proof";
import type { BlockProof, LedgerClient, ReadOptions } from "@authledger/sdk";
import { equalBytes, incarnationOf, LedgerError } from "@authledger/types";
import type { AuditHead } from "./audit-head.js";
import { Contradiction } from "./contradiction.js";

/** Block proofs on their way at a time: hides the round trip; at most 8 MiB each. */
const AHEAD = 8;
/** Blocks between two positions that are given out. */
const SAVE_BLOCKS = 256;

export interface AuditorDeps {
  /** One that does not verify: the auditor does so itself. */
  readonly client: Pick<LedgerClient, "getCheckpoint" | "getConsistencyProof" | "getBlockProof">;
  readonly crypto: LightClientDeps;
  readonly call: ReadOptions;
  readonly nowMs: () => number;
}

export class Auditor {
  readonly #deps: AuditorDeps;
  readonly #anchorText: string;
  readonly #anchor: TrustState;
  readonly #follower: HistoryFollower;
  #head: TrustedHead;

  /** @throws LedgerError PROOF_INVALID when the saved head began with another anchor */
  constructor(anchorText: string, saved: AuditHead | undefined, deps: AuditorDeps) {
    const { hasher } = deps.crypto;
    this.#deps = deps;
    this.#anchorText = anchorText.trim();
    this.#anchor = trustFromAnchor(parseTrustAnchor(hasher, anchorText));
    if (saved !== undefined && saved.anchor !== this.#anchorText) {
      throw new LedgerError("PROOF_INVALID", "the saved head began with another anchor", {
        details: { reason: "anchor" },
      });
    }
    const { origin, salt } = this.#anchor;
    this.#head = saved?.head ?? this.#anchor.head;
    this.#follower = new HistoryFollower(hasher, vaultRef(hasher, origin, salt), saved?.position);
  }

  /** Blocks that were executed. */
  get executed(): number {
    return this.#follower.size;
  }

  get headSize(): number {
    return Number(this.#head.size);
  }

  /**
   * Executes up to the newest signed head, and gives out positions to save on the way.
   * @throws Contradiction; LedgerError when the node cannot be asked, or does not have a block any more
   */
  async *catchUp(): AsyncGenerator<AuditHead> {
    await this.#advanceHead();
    while (this.executed < this.headSize) {
      const to = Math.min(this.headSize, this.executed + SAVE_BLOCKS);
      await this.#executeUpTo(to);
      await this.#link();
      yield this.#state();
    }
  }

  #state(): AuditHead {
    const { origin } = this.#anchor;
    const position: HistoryPosition = this.#follower.position;
    const savedAtMs = this.#deps.nowMs();
    return { anchor: this.#anchorText, origin, position, head: this.#head, savedAtMs };
  }

  /** Takes the newest signed head, which must be consistent with the one that is trusted. */
  async #advanceHead(): Promise<void> {
    const { client, crypto, call } = this.#deps;
    const { origin, policy } = this.#anchor;
    const sent = await client.getCheckpoint({ ...call, trustedSize: this.#head.size });
    const { checkpoint: note } = sent;
    const { size, root } = judged("checkpoint", this.#notes(note), () =>
      verifyCheckpoint(note, origin, policy, crypto),
    );
    if (size === this.#head.size) {
      if (equalBytes(root, this.#head.root)) return;
      const kind = this.#head.note === "" ? "genesis" : "fork";
      throw new Contradiction(kind, `two roots for size ${size}`, this.#notes(note));
    }
    if (size < this.#head.size) return this.#judgeOlder({ size, root, note });
    this.#requireConsistent(this.#head, { size, root, note }, sent.consistencyProof);
    this.#head = { size, root, note };
  }

  /** An older head is a late replica's when it leads to ours, else the node has lost what it signed. */
  async #judgeOlder(older: TrustedHead): Promise<void> {
    const { client, call } = this.#deps;
    const sizes = { fromSize: older.size, toSize: this.#head.size };
    const proof = await client.getConsistencyProof(sizes, call).catch((error: unknown) => {
      if (LedgerError.from(error).code !== "INVALID_ARGUMENT") throw error;
      const message = `the node signs ${older.size} blocks, it signed ${this.#head.size} before`;
      throw new Contradiction("rollback", message, this.#notes(older.note));
    });
    this.#requireConsistent(older, this.#head, proof);
  }

  #requireConsistent(from: TrustedHead, to: TrustedHead, proof: readonly Uint8Array[]): void {
    const isConsistent = verifyConsistency(this.#deps.crypto.hasher, {
      fromSize: from.size,
      fromRoot: from.root,
      toSize: to.size,
      toRoot: to.root,
      proof,
    });
    if (isConsistent) return;
    const message = `the signed heads of sizes ${from.size} and ${to.size} are not proven consistent`;
    throw new Contradiction("consistency", message, { trusted: from.note, received: to.note });
  }

  /** What was executed must be what was signed. */
  async #link(): Promise<void> {
    const { client, call } = this.#deps;
    const size = BigInt(this.executed);
    const executed = { size, root: this.#follower.root(), note: "" };
    const sizes = { fromSize: size, toSize: this.#head.size };
    const proof = size === this.#head.size ? [] : await client.getConsistencyProof(sizes, call);
    const isConsistent = verifyConsistency(this.#deps.crypto.hasher, {
      fromSize: executed.size,
      fromRoot: executed.root,
      toSize: this.#head.size,
      toRoot: this.#head.root,
      proof,
    });
    if (isConsistent) return;
    const message = `the ${size} blocks that the node shows are not the history that it signed`;
    throw new Contradiction("history", message, this.#notes(this.#head.note));
  }

  async #executeUpTo(size: number): Promise<void> {
    const ahead: Promise<BlockProof>[] = [];
    let next = this.executed;
    try {
      while (this.executed < size) {
        while (next < size && ahead.length < AHEAD) ahead.push(this.#fetch(next++));
        this.#execute(this.executed, await ahead.shift()!);
      }
    } finally {
      // What is on its way when a block is refused concerns nobody any more.
      for (const late of ahead) late.catch(() => undefined);
    }
  }

  #fetch(height: number): Promise<BlockProof> {
    return this.#deps.client.getBlockProof(BigInt(height), this.#deps.call);
  }

  /** The header before it is the one that was executed, whatever the node sent as such. */
  #execute(height: number, { header, transactions, witness }: BlockProof): void {
    const { hasher } = this.#deps.crypto;
    const { origin, salt, head: genesis } = this.#anchor;
    const previous = this.#follower.position.header;
    const evidence = { ...this.#notes(""), height, header, transactions, witness };
    judged("block", evidence, () => {
      this.#follower.append(header);
      if (height === 0 && !equalBytes(this.#follower.root(), genesis.root)) {
        throw new Contradiction("genesis", "the first block is not the anchored one", evidence);
      }
      // The first block of a restored vault holds a whole state, which the anchor vouches for.
      if (height === 0 && incarnationOf(origin) > 0) return;
      if (!decodeHeader(header).bothDirections) {
        const message = `block ${height} does not commit tuples by their subjects`;
        throw new Contradiction("block", message, evidence);
      }
      verifyBlock(hasher, { origin, salt, header, previous, transactions, witness });
    });
  }

  #notes(received: string): { readonly trusted: string; readonly received: string } {
    return { trusted: this.#head.note, received };
  }
}

/** Runs a check; what it refuses is a contradiction, with the evidence. */
function judged<T>(
  kind: Contradiction["kind"],
  evidence: Contradiction["evidence"],
  check: () => T,
): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof Contradiction || !(error instanceof LedgerError)) throw error;
    throw new Contradiction(kind, error.message, evidence, error);
  }
}
