/**
 * Headers one behind the other, shown to be the signed history: each commits to all before it, and the last to a
 * checkpoint that the client's verifier trusts.
 */
import { HistoryFollower, type TrustedHead, vaultRef, verifyConsistency } from "@authledger/proof";
import { read } from "@authledger/proto";
import { equalBytes, LedgerError } from "@authledger/types";
import { Patience } from "../calls/patience.js";
import type { CallOptions } from "../options.js";
import { cosignaturesOf } from "../options.js";
import type { Session } from "../session.js";
import { nodeCrypto } from "./node-crypto.js";

const { getBlockRange: GET_BLOCK_RANGE, getCheckpoint: GET_CHECKPOINT } = read.ReadServiceService;
const { getConsistencyProof: GET_CONSISTENCY } = read.ReadServiceService;

export class FollowedHistory {
  readonly #session: Session;
  readonly #call: () => CallOptions;
  readonly #follower: HistoryFollower;

  private constructor(session: Session, call: () => CallOptions, follower: HistoryFollower) {
    this.#session = session;
    this.#call = call;
    this.#follower = follower;
  }

  /**
   * From a height on; what was before it comes from the server, and is checked with the first headers.
   * @param call the options of what is asked next
   */
  static async from(
    session: Session,
    height: bigint,
    call: () => CallOptions,
  ): Promise<FollowedHistory> {
    const { hasher } = nodeCrypto;
    const time = new Patience(session, call());
    const { origin, salt } = await time.wait(session.verifier()!.trust());
    const question = { fromHeight: height, limit: 1, transactions: false, compactRange: true };
    const { compactRange } = await session.call(
      GET_BLOCK_RANGE,
      { ...session.vault(), ...question },
      time.left,
    );
    const range = compactRange.map((root) => new Uint8Array(root));
    const position = { size: Number(height), range, header: undefined };
    const follower = new HistoryFollower(hasher, vaultRef(hasher, origin, salt), position);
    return new FollowedHistory(session, call, follower);
  }

  /** @throws LedgerError PROOF_INVALID when they are not the signed history; EquivocationError */
  async accept(headers: readonly Uint8Array[]): Promise<void> {
    if (headers.length === 0) return;
    for (const header of headers) this.#follower.append(header);
    const size = BigInt(this.#follower.size);
    const head = await this.#headOf(size);
    const isLinked =
      head.size === size
        ? equalBytes(head.root, this.#follower.root())
        : await this.#isConsistent(head);
    if (isLinked) return;
    const message = `blocks up to ${size - 1n} are not in the signed history of ${head.size} blocks`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "consistency" } });
  }

  /** A trusted head of at least that size. */
  async #headOf(size: bigint): Promise<TrustedHead> {
    const verifier = this.#session.verifier()!;
    const time = new Patience(this.#session, this.#call());
    const trust = await time.wait(verifier.trust());
    if (trust.head.size >= size) return trust.head;
    const { head } = trust;
    const trusted = { trustedSize: head.size, consistency: undefined };
    const cosignatures = cosignaturesOf(this.#session.options.verify);
    const request = { ...this.#session.vault(), ...trusted, cosignatures };
    const sent = await this.#session.call(GET_CHECKPOINT, request, time.left);
    const consistencyProof = sent.consistencyProof.map((hash) => new Uint8Array(hash));
    const { checkpoint } = sent;
    const received = await time.wait(verifier.verifyHead(trust, { checkpoint, consistencyProof }));
    if (received.size >= size) return received;
    const message = `the signed head has ${received.size} blocks, ${size} were given`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "consistency" } });
  }

  async #isConsistent(head: TrustedHead): Promise<boolean> {
    const fromSize = BigInt(this.#follower.size);
    const request = { ...this.#session.vault(), fromSize, toSize: head.size };
    const { proof } = await this.#session.call(GET_CONSISTENCY, request, this.#call());
    return verifyConsistency(nodeCrypto.hasher, {
      fromSize,
      fromRoot: this.#follower.root(),
      toSize: head.size,
      toRoot: head.root,
      proof: proof.map((hash) => new Uint8Array(hash)),
    });
  }
}
