/**
 * Where a log ends, and whether that is where it ended when it was last written: a pure judgement of facts.
 *
 * The rule (storage.md, "Recovery"; PAR, FAST'18; museum row 32)
 *   - A batch that does not match its crc, with nothing behind it and an lsn above every lsn known to be durable,
 *     may be torn: it was being written when the process or the power went. With one voter it is cut. With more
 *     it counts as damaged, since it may have been acknowledged and the others still have it: the log says
 *     `ambiguous`, and the node must not vote before it has caught up.
 *   - Everything else that does not match is damage, and nothing is cut: since a batch is written only after the
 *     one before it was synced, whatever lies behind shows that the bad one was durable once.
 */

export type Voters = "one" | "many";

/** What was found behind the last good batch. */
export interface EndFacts {
  /** The lsn that would follow the last good batch. */
  readonly nextLsn: number;
  /** The highest lsn that something readable says is durable. */
  readonly durableLsn: number;
  /** Signs that batch `nextLsn` was begun. */
  readonly attempted: boolean;
  /** A batch further behind, which was written only because `nextLsn` was durable. */
  readonly later: LaterBatch | undefined;
}

export interface LaterBatch {
  readonly file: string;
  readonly offset: number;
  readonly lsn: number;
}

export type EndVerdict =
  /** The last good batch is the last there was. */
  | { readonly kind: "whole" }
  /** The next one was being written; nobody was told that it is durable, as far as one node can know. */
  | { readonly kind: "torn" }
  /** As torn, but other voters may count on it. */
  | { readonly kind: "ambiguous" }
  | { readonly kind: "corrupt"; readonly why: string };

export function judgeEnd(facts: EndFacts, voters: Voters): EndVerdict {
  const { later } = facts;
  if (later !== undefined) {
    const where = `byte ${later.offset} of ${later.file}`;
    const why = `batch ${facts.nextLsn} is unreadable, but batch ${later.lsn} lies behind it at ${where}`;
    return { kind: "corrupt", why };
  }
  // Behind an empty segment the due lsn is more than one ahead: what lies between was settled by an earlier open.
  if (facts.durableLsn >= facts.nextLsn) {
    const why = `batch ${facts.nextLsn} is unreadable, but batch ${facts.durableLsn} was durable`;
    return { kind: "corrupt", why };
  }
  if (!facts.attempted) return { kind: "whole" };
  return voters === "one" ? { kind: "torn" } : { kind: "ambiguous" };
}
