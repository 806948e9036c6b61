/** What a leader appends for its owner, and when it takes no more. */
import type { DropReason } from "./action.js";
import { appendOwn, broadcastAppend } from "./replication.js";
import { drop, type State } from "./state.js";

/** Appends and sends the payloads, all or none; true when it did. */
export function takeProposal(s: State, proposal: number, payloads: readonly Uint8Array[]): boolean {
  let bytes = 0;
  for (const payload of payloads) bytes += payload.length;
  const why = refusalOf(s, bytes);
  if (why !== undefined) {
    drop(s, proposal, why);
    return false;
  }
  s.uncommittedBytes += bytes;
  const index = s.log.lastIndex + 1;
  appendOwn(s, payloads);
  s.out.push({ kind: "proposed", proposal, index, term: s.term });
  broadcastAppend(s);
  return true;
}

function refusalOf(s: State, bytes: number): DropReason | undefined {
  if (s.role !== "leader") return s.leader === undefined ? "no-leader" : "not-leader";
  if (!s.progress.has(s.id)) return "removed";
  if (s.transferee !== undefined) return "transferring";
  if (s.log.commit - s.log.applied > s.settings.unappliedMax) return "too-many-unapplied";
  // One proposal always passes, however large it is; an empty one adds nothing.
  const isOver =
    s.uncommittedBytes > 0 && s.uncommittedBytes + bytes > s.settings.uncommittedBytesMax;
  return isOver && bytes > 0 ? "too-many-uncommitted" : undefined;
}
