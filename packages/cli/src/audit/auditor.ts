/**
 * Follows a vault and believes nothing: every block is executed again from its proof, every header must commit to
 * all before it, and every signed head must be consistent with the one before and end the history that was executed.
 *
 * Who signs changes with the voters: a head that no known policy accepts is a contradiction only when the node, asked for some
 * time, has no policy that leads there. A head of before the anchor's policy is none at all, and an answer for later.
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
  type PolicyBundle,
  parseCheckpoint,
  parseTrustAnchor,
  type TrustedHead,
  type TrustState,
  trustFromAnchor,
  type VerifiedCheckpoint,
  vaultRef,
  verifyBlock,
  verifyConsistency,
} from "@authledger/proof";
import {
  type BlockProof,
  type LedgerClient,
  mayNeedPolicy,
  type ReadOptions,
} from "@authledger/sdk";
import { equalBytes, incarnationOf, LedgerError } from "@authledger/types";
import type { AuditHead } from "./audit-head.js";
import { Contradiction, type ContradictionKind, type Evidence } from "./contradiction.js";
import { KnownPolicies } from "./known-policies.js";

/** Block proofs on their way at a time: hides the round trip; at most 8 MiB each. */
const AHEAD = 8;
/** Blocks between two positions that are given out. */
const SAVE_BLOCKS = 256;
/** A node that is behind with its policies, or with a head under a new one, has them within some seconds. */
const ASKED_MAX = 20;
const ASK_AGAIN_MS = 500;

export interface AuditorDeps {
  /** One that does not verify: the auditor does so itself. */
  readonly client: Pick<
    LedgerClient,
    "getCheckpoint" | "getConsistencyProof" | "getBlockProof" | "getPolicyBundles"
  >;
  readonly crypto: LightClientDeps;
  readonly call: ReadOptions;
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

export class Auditor {
  readonly #deps: AuditorDeps;
  readonly #anchorText: string;
  readonly #anchor: TrustState;
  readonly #follower: HistoryFollower;
  readonly #policies: KnownPolicies;
  #head: TrustedHead;
  /** Configuration of the block at which the node was last asked for policies without need. */
  #askedAt: Uint8Array | undefined;

  /** @throws LedgerError PROOF_INVALID when the saved head began with another anchor; CODEC_DECODE */
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
    this.#policies = new KnownPolicies(this.#anchor, saved?.policies ?? [], deps.crypto);
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
    const { length } = this.#policies.receipts;
    await this.#advanceHead();
    if (this.executed === this.headSize && this.#policies.receipts.length > length) {
      yield this.#state();
    }
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
    const { receipts: policies } = this.#policies;
    return { anchor: this.#anchorText, origin, position, head: this.#head, policies, savedAtMs };
  }

  /** Takes the newest signed head, which must be consistent with the one that is trusted. */
  async #advanceHead(): Promise<void> {
    const { client, call, sleep } = this.#deps;
    await this.#followConfig();
    for (let asked = 1; ; asked++) {
      const trustedSize = this.#head.size;
      const { checkpoint, consistencyProof } = await client.getCheckpoint({ ...call, trustedSize });
      const head = this.#judgeHead(checkpoint);
      if (!(head instanceof LedgerError)) {
        return this.#takeHead({ ...head, note: checkpoint }, consistencyProof);
      }
      if (await this.#adoptNewer()) continue;
      if (asked >= ASKED_MAX) return this.#refuse(checkpoint, head);
      await sleep(ASK_AGAIN_MS);
    }
  }

  /** The refusal, where another policy may cure it. @throws Contradiction for another one */
  #judgeHead(note: string): VerifiedCheckpoint | LedgerError {
    return judged("checkpoint", this.#notes(note), () => {
      try {
        return this.#policies.judge(note);
      } catch (error) {
        if (error instanceof LedgerError && mayNeedPolicy(error)) return error;
        throw error;
      }
    });
  }

  /** @throws Contradiction; LedgerError STALE_REPLICA where nobody can say who was to sign the head */
  async #refuse(note: string, refusal: LedgerError): Promise<never> {
    const { size, root } = parseCheckpoint(note);
    if (!this.#policies.isBefore(size)) {
      throw new Contradiction("checkpoint", refusal.message, this.#notes(note), refusal);
    }
    if (size < this.#head.size) await this.#proofOf({ size, root, note }, this.#head);
    const message = `the node has no signed head yet that the anchor's policy judges: ${refusal.message}`;
    throw new LedgerError("STALE_REPLICA", message, { cause: refusal });
  }

  async #takeHead(
    { size, root, note }: TrustedHead,
    consistencyProof: readonly Uint8Array[],
  ): Promise<void> {
    if (size === this.#head.size) {
      if (equalBytes(root, this.#head.root)) return;
      const kind = this.#head.note === "" ? "genesis" : "fork";
      throw new Contradiction(kind, `two roots for size ${size}`, this.#notes(note));
    }
    const head: TrustedHead = { size, root, note };
    if (size < this.#head.size) {
      // A late replica's when it leads to ours.
      const proof = await this.#proofOf(head, this.#head);
      return this.#requireConsistent(head, this.#head, proof);
    }
    this.#requireConsistent(this.#head, head, consistencyProof);
    this.#head = head;
  }

  /** @throws Contradiction when the node has lost what it signed */
  #proofOf(older: TrustedHead, newer: TrustedHead): Promise<readonly Uint8Array[]> {
    const { client, call } = this.#deps;
    const sizes = { fromSize: older.size, toSize: newer.size };
    return client.getConsistencyProof(sizes, call).catch((error: unknown) => {
      if (LedgerError.from(error).code !== "INVALID_ARGUMENT") throw error;
      const message = `the node signs ${older.size} blocks, it signed ${newer.size} before`;
      const evidence = { ...this.#notes(older.note), trusted: newer.note };
      throw new Contradiction("rollback", message, evidence);
    });
  }

  /** A policy that lets somebody go should not wait until it is needed. */
  async #followConfig(): Promise<void> {
    const { header } = this.#follower.position;
    if (header === undefined) return;
    const { configHash } = decodeHeader(header);
    if (this.#askedAt !== undefined && equalBytes(configHash, this.#askedAt)) return;
    try {
      await this.#adoptNewer();
      this.#askedAt = configHash;
    } catch (error) {
      if (error instanceof Contradiction || !(error instanceof LedgerError)) throw error;
    }
  }

  /** Whether there were newer policies. @throws Contradiction for one that is not proven */
  async #adoptNewer(): Promise<boolean> {
    const { client, call } = this.#deps;
    const { epoch } = this.#policies.newest;
    for (const bundle of await client.getPolicyBundles(call)) await this.#adopt(bundle);
    return this.#policies.newest.epoch > epoch;
  }

  /** The head that shows the policy becomes the trusted one where it is newer. */
  async #adopt(bundle: PolicyBundle): Promise<void> {
    const refused = { ...this.#notes(bundle.checkpoint), refused: bundle };
    const shown = judged("policy", refused, () => {
      if (this.#policies.has(bundle)) return undefined;
      const { size, root } = parseCheckpoint(bundle.checkpoint);
      return { size, root, note: bundle.checkpoint };
    });
    if (shown === undefined) return;
    const isNewer = shown.size > this.#head.size;
    const [older, newer] = isNewer ? [this.#head, shown] : [shown, this.#head];
    const consistencyProof = older.size === newer.size ? [] : await this.#proofOf(older, newer);
    this.#head = judged("policy", refused, () =>
      this.#policies.adopt(this.#head, { ...bundle, consistencyProof }),
    );
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
    const evidence = { ...this.#notes(to.note), trusted: from.note };
    throw new Contradiction("consistency", message, evidence);
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

  #notes(received: string): Pick<Evidence, "trusted" | "received" | "policies"> {
    return { trusted: this.#head.note, received, policies: this.#policies.receipts };
  }
}

/** Runs a check; what it refuses is a contradiction, with the evidence. */
function judged<T>(kind: ContradictionKind, evidence: Evidence, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof Contradiction || !(error instanceof LedgerError)) throw error;
    throw new Contradiction(kindOf(kind, error), error.message, evidence, error);
  }
}

/** A policy may be good and its head of another history. */
function kindOf(kind: ContradictionKind, { code, details }: LedgerError): ContradictionKind {
  if (code === "EQUIVOCATION") return "fork";
  const { reason } = details;
  const isOfHeads = reason === "consistency" || reason === "genesis";
  return kind === "policy" && isOfHeads ? reason : kind;
}
