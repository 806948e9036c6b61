/**
 * Heads that others show, judged by this node's own history: a signed head of a size that this node has, with another root,
 * contradicts it. Both are kept, an alarm is raised, and nothing is decided: who is right is for people and a majority.
 */
import type { Clock } from "@authledger/io";
import {
  checkpointBody,
  formatCheckpoint,
  type NoteKey,
  type Policy,
  parseCheckpoint,
  signedKeys,
  type UntrustedCheckpoint,
} from "@authledger/proof";
import type { GroupState, OpenVault } from "@authledger/state";
import { equalBytes, LedgerError, toHex } from "@authledger/types";
import { nodeVerifier } from "../ed25519.js";
import { madeLine } from "../head-keys.js";
import type { Signer } from "../signer.js";
import type { EvidenceStore } from "./evidence-store.js";

/** What a shown head is to this node's history. */
export type HeadJudgement = "consistent" | "larger" | "contradiction";

export interface ContradictionDeps {
  readonly state: Pick<GroupState, "vault">;
  readonly signer: Signer;
  readonly evidence: EvidenceStore;
  readonly clock: Clock;
  /** Why nothing of this node's history may be signed or shown, if it may not (INV-REPLICA-11). */
  readonly stateProblem: () => LedgerError | undefined;
  /** The policies that clients of a vault may hold. */
  readonly policies: (vault: OpenVault) => readonly Policy[];
  readonly onAlarm: (alarm: string) => void;
}

export class Contradictions {
  readonly #deps: ContradictionDeps;

  constructor(deps: ContradictionDeps) {
    this.#deps = deps;
  }

  /**
   * Judges a head; one that contradicts is kept before this resolves. With `own`, the note that this node has signed.
   * @throws LedgerError REPLICA_DIVERGED, NOT_READY; PROOF_INVALID when it is no note of the vault, or nobody of the vault has signed it
   */
  async judge(
    vault: OpenVault,
    note: string,
    from: string,
  ): Promise<{ readonly judgement: HeadJudgement; readonly isNew: boolean; readonly own: string }> {
    const shown = parseCheckpoint(note);
    this.#requireSigned(vault, shown);
    const size = Number(shown.size);
    if (shown.size > BigInt(vault.size)) return { judgement: "larger", isNew: false, own: "" };
    const ownRoot = this.#deps.signer.marks.rootAt(vault, size);
    if (equalBytes(ownRoot, shown.root)) return { judgement: "consistent", isNew: false, own: "" };
    const { origin } = vault.row;
    const own = await this.#ownNote(vault);
    const seenMs = this.#deps.clock.nowMs();
    const about = { origin, seenMs, from, received: note, ownRoot: toHex(ownRoot), own };
    const isNew = await this.#deps.evidence.keep(about);
    if (isNew) {
      const alarm = `a head of ${origin} of size ${size}, shown by ${from}, has another root than this node's history; both are kept in the directory "evidence"`;
      this.#deps.onAlarm(alarm);
    }
    return { judgement: "contradiction", isNew, own };
  }

  #requireSigned(vault: OpenVault, shown: UntrustedCheckpoint): void {
    const { origin } = vault.row;
    const { signer } = this.#deps;
    if (shown.origin !== origin) {
      const message = `the head is of ${shown.origin}, not of ${origin}`;
      throw new LedgerError("PROOF_INVALID", message, { details: { reason: "note" } });
    }
    const policies = this.#deps.policies(vault);
    const cosigners = policies.flatMap((policy) => policy.cosigners.map(({ key }) => key));
    const known: NoteKey[] = [signer.keys.log(origin), signer.keys.replica, ...cosigners];
    if (signedKeys(nodeVerifier, shown, known).length > 0) return;
    const message = `nobody of ${origin} has signed the head`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "signature" } });
  }

  /** The newest head that this node has signed, signed by it once more, when its mark is durable (INV-SIGN-2). */
  async #ownNote(vault: OpenVault): Promise<string> {
    const { keys, marks } = this.#deps.signer;
    const mark = marks.of(vault.id);
    if (mark === undefined) return "";
    const { origin } = vault.row;
    try {
      // It may still be on its way to the disk; the same one behind it is there no earlier.
      await marks.append([{ ...mark, origin }]);
    } catch {
      return ""; // A full disk, or a log that has failed: nothing is signed then.
    }
    // It may have been found to be wrong meanwhile: then what it has judged is wrong, too.
    const problem = this.#deps.stateProblem();
    if (problem !== undefined) throw problem;
    const body = checkpointBody({ origin, size: BigInt(mark.size), root: mark.root });
    const cosignature = keys.cosign(body, mark.timeMs);
    const line = madeLine(keys.replica, { body, timeMs: mark.timeMs }, cosignature);
    return formatCheckpoint(body, [keys.logLine(origin, body), line]);
  }
}
