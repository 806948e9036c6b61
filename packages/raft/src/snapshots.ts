/** A state from the leader instead of the entries that it has no more (Raft 7). */
import { assert } from "@authledger/types";
import { acknowledge } from "./follower.js";
import type { SnapshotMeta } from "./log.js";
import { switchTo } from "./membership.js";
import type { Message } from "./message.js";
import { commitTo } from "./replication.js";
import { isMemberOf, type State } from "./state.js";

type SnapshotMessage = Extract<Message, { type: "snapshot" }>;

/** The owner has received and verified a state; it is acknowledged when the owner has switched to it for good. */
export function receiveSnapshot(s: State, { from: to, snapshot }: SnapshotMessage): void {
  const index = restore(s, snapshot) ? snapshot.index : s.log.commit;
  s.recovery.compared = Math.max(s.recovery.compared, index);
  acknowledge(s, to, index);
}

/** True when the log begins anew behind the snapshot. */
function restore(s: State, snapshot: SnapshotMeta): boolean {
  const { log } = s;
  if (snapshot.index <= log.commit) {
    const own = log.term(snapshot.index);
    assert(
      own === undefined || own === snapshot.term,
      "INV-RAFT-1: a snapshot does not contradict a committed entry",
      { index: snapshot.index, term: snapshot.term, own },
    );
    return false;
  }
  // A state that does not know this node is none for it.
  if (!isMemberOf(snapshot.membership, s.id)) return false;
  if (log.matches(snapshot.index, snapshot.term)) {
    // The entries are all here: committed they are, and nothing is replaced.
    commitTo(s, snapshot.index);
    return false;
  }
  log.restore(snapshot);
  s.restored = snapshot;
  s.truncatedFrom = undefined;
  s.appendedFrom = undefined;
  switchTo(s, snapshot.index, snapshot.membership);
  return true;
}
