/**
 * The judge: what must hold after every event, over all nodes of a group (Raft, figure 3; simulation.md, "Invariants").
 *
 * It sees more than any node: every log, every disk, every message. Each rule is checked where it can first break, so
 * that the cost of an event does not grow with the length of the run:
 *
 *   election safety      when a node becomes leader                                       (Raft 5.2)
 *   leader completeness  when a node becomes leader: it has all that was committed before (Raft 5.4)
 *   log matching         when an entry enters a log: one term before it, one payload      (Raft 5.3)
 *   committed immutable  when a commit index advances: the same entry on everyone         (Raft 5.4.3)
 *   committed on quorum  when an entry is first committed: on the disks of a majority     (Raft 5.3, 5.4.2)
 *   one vote per term    when a hard state is written, over restarts                      (Raft 5.2)
 *   durable before said  when a vote, a request for votes or an acknowledgement leaves    (Raft 3.8)
 *   one change at a time when a leader appends a change; adjacent configurations overlap  (dissertation 4.1)
 *   linearizable reads   when a read is answered                                          (dissertation 6.4)
 *
 *   INV-SIM-4  A run in which a rule was broken ends there, with the rule's name.
 */
import type { Entry, Membership, Message } from "@authledger/raft";
import type { NodeId } from "@authledger/types";
import type { Batch, DurableLog, LogImage } from "./durable-log.js";
import { doOverlap, isQuorum, sameMembership } from "./quorum.js";
import { Violation } from "./violation.js";

/** What the judge reads of a core. */
export interface JudgedCore {
  readonly term: number;
  readonly role: string;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly membership: Membership;
}

/** One life of one disk: a node, over all its restarts. */
export interface JudgedNode {
  readonly id: NodeId;
  readonly log: DurableLog;
  /** The index behind which a start replays. */
  readonly checkpoint: number;
  /** While the disk may have lost what was acknowledged: what it had. */
  readonly beforeLoss: LogImage | undefined;
}

/** What was last seen of a node, to compare with. */
interface Seen {
  term: number;
  commit: number;
  applied: number;
  wasLeader: boolean;
  /** Its vote in each term. */
  readonly votes: Map<number, NodeId>;
}

/** The founders begin with this entry applied and cut: who comes later gets a state from them. */
export const FOUNDING = { index: 1, term: 1 } as const;

/** Index and term of an entry as one number: exact while terms stay below 2^20. */
const TERM_SPAN = 2 ** 20;
const CONFIGURATION_MARK = 0xcc;

export class Judge {
  readonly #nodes: Map<NodeId, JudgedNode> = new Map();
  readonly #seen: Map<NodeId, Seen> = new Map();
  readonly #leaders: Map<number, NodeId> = new Map();
  /** The committed log; it begins with what stands for the founding. */
  readonly #terms: number[] = [0, FOUNDING.term];
  readonly #payloads: Uint8Array[] = [new Uint8Array(), new Uint8Array()];
  /** In which term the entry was first committed; ascending. */
  readonly #commitTerms: number[] = [0, FOUNDING.term];
  /** By index and term: the term of the entry before, and the payload. */
  readonly #entries: Map<number, { readonly before: number; readonly payload: Uint8Array }> =
    new Map();
  /** The latest request to start an election, by whom it was sent to. */
  readonly #invited: Map<NodeId, { readonly term: number; readonly index: number }> = new Map();
  readonly #memberships: { readonly index: number; readonly membership: Membership }[];

  constructor(initial: Membership) {
    this.#memberships = [{ index: FOUNDING.index, membership: initial }];
  }

  /** Index of the last entry that anybody knows to be committed. */
  get commit(): number {
    return this.#terms.length - 1;
  }

  /** The membership that follows from the changes up to the last one that was applied anywhere. */
  get membership(): Membership {
    return this.#memberships.at(-1)!.membership;
  }

  /** The same, and the index of its entry. */
  get lastMembership(): { readonly index: number; readonly membership: Membership } {
    return this.#memberships.at(-1)!;
  }

  committed(index: number): { readonly term: number; readonly payload: Uint8Array } | undefined {
    const payload = this.#payloads[index];
    return payload && { term: this.#terms[index]!, payload };
  }

  /** The same history, to be continued over these nodes: for searches over what may happen next. */
  clone(nodes: readonly JudgedNode[]): Judge {
    const copy = new Judge(this.#memberships[0]!.membership);
    for (const node of nodes) copy.#nodes.set(node.id, node);
    for (const [id, seen] of this.#seen) {
      copy.#seen.set(id, { ...seen, votes: new Map(seen.votes) });
    }
    for (const [term, id] of this.#leaders) copy.#leaders.set(term, id);
    for (let index = copy.#terms.length; index < this.#terms.length; index++) {
      copy.#terms.push(this.#terms[index]!);
      copy.#payloads.push(this.#payloads[index]!);
      copy.#commitTerms.push(this.#commitTerms[index]!);
    }
    for (const [id, invitation] of this.#invited) copy.#invited.set(id, invitation);
    for (const [key, entry] of this.#entries) copy.#entries.set(key, entry);
    for (let i = 1; i < this.#memberships.length; i++)
      copy.#memberships.push(this.#memberships[i]!);
    return copy;
  }

  /** What of the past decides about the future: who led, who voted for whom, what is committed. */
  get past(): string {
    const votes = Array.from(this.#seen.values(), (seen) => [...seen.votes].join(" "));
    return `${[...this.#leaders].sort().join(" ")};${votes.join(";")};${this.#terms};${this.#commitTerms}`;
  }

  /** Begins in the middle: the nodes have logs, whose entries up to `committed` are committed; the first has them. */
  begin(committed: number, nodes: readonly JudgedNode[]): void {
    for (const node of nodes) {
      let before: number = FOUNDING.term;
      for (const entry of node.log.visible.entries) {
        this.#matches(entry, before, node);
        before = entry.term;
      }
      const { term, vote } = node.log.durable.hardState;
      if (vote !== undefined) this.#seen.get(node.id)!.votes.set(term, vote);
    }
    for (let index = this.commit + 1; index <= committed; index++) {
      const entry = nodes[0]!.log.visible.entry(index)!;
      this.#terms.push(entry.term);
      this.#payloads.push(entry.payload);
      this.#commitTerms.push(entry.term);
    }
  }

  /** A node that is to be judged from now on; also after its disk is gone. */
  admit(node: JudgedNode): void {
    this.#nodes.set(node.id, node);
    this.#seen.set(node.id, { term: 0, commit: 0, applied: 0, wasLeader: false, votes: new Map() });
  }

  /** The disk of a node is gone for good; this is what it held. */
  bury(node: JudgedNode): void {
    this.#nodes.set(node.id, node);
  }

  /** A node begins anew from its disk: its indexes may go back to what is there, its term and votes may not. */
  restarted(node: JudgedNode, core: JudgedCore): void {
    const seen = this.#seen.get(node.id)!;
    const { hardState } = node.log.durable;
    demand(core.term >= hardState.term, "term survives a restart", { node: node.id });
    demand(core.commit <= this.commit, "a start commits only what was committed", {
      node: node.id,
      commit: core.commit,
    });
    seen.term = core.term;
    seen.commit = core.commit;
    seen.applied = node.checkpoint;
    seen.wasLeader = false;
    this.after(node, core);
  }

  /** Checks a node after an event. */
  after(node: JudgedNode, core: JudgedCore): void {
    const seen = this.#seen.get(node.id)!;
    const { term, commit, applied, lastIndex } = core;
    if (term !== seen.term) {
      demand(term > seen.term, "terms never go back", { node: node.id, term, before: seen.term });
      seen.term = term;
      seen.wasLeader = false;
    }
    const isLeader = core.role === "leader";
    if (isLeader && !seen.wasLeader) this.#elected(node, core);
    seen.wasLeader = isLeader;
    if (commit !== seen.commit) {
      demand(commit > seen.commit, "the commit index never goes back", {
        node: node.id,
        commit,
        before: seen.commit,
      });
      this.#committed(node, core, seen.commit);
      seen.commit = commit;
    }
    if (applied !== seen.applied) {
      demand(applied >= seen.applied, "the applied index never goes back", { node: node.id });
      seen.applied = applied;
    }
    const { log } = node;
    // A state that replaces another one before that was switched to leaves both waiting.
    const isSwitching = log.visible.offset > log.durable.offset;
    if (
      (log.durable.offset > applied && !isSwitching) ||
      applied > commit ||
      commit > lastIndex ||
      log.durable.lastIndex < log.durable.offset
    ) {
      throw new Violation("purged <= applied <= commit <= last", {
        node: node.id,
        purged: log.durable.offset,
        applied,
        commit,
        last: lastIndex,
      });
    }
  }

  #elected(node: JudgedNode, core: JudgedCore): void {
    const { term } = core;
    const other = this.#leaders.get(term);
    demand(other === undefined || other === node.id, "election safety (Raft 5.2)", {
      term,
      leader: node.id,
      other,
    });
    this.#leaders.set(term, node.id);
    demand(
      [...core.membership.voters, ...core.membership.outgoing].includes(node.id),
      "only a voter is elected (dissertation 4.2.2)",
      { leader: node.id, term },
    );
    let last = this.commit;
    // What a leader of a later term has committed meanwhile need not be there.
    while (last > 0 && this.#commitTerms[last]! >= term) last--;
    if (last <= node.log.visible.offset) return;
    demand(node.log.term(last) === this.#terms[last], "leader completeness (Raft 5.4)", {
      leader: node.id,
      term,
      index: last,
      committed: this.#terms[last],
      has: node.log.term(last),
    });
  }

  #committed(node: JudgedNode, core: JudgedCore, before: number): void {
    const known = this.commit;
    const { visible } = node.log;
    for (let index = Math.max(before, visible.offset) + 1; index <= core.commit; index++) {
      const entry = visible.entry(index);
      demand(entry !== undefined, "what is committed is in the log", { node: node.id, index });
      if (index <= known) this.#sameAsCommitted(node, entry);
      else this.#extend(core, entry);
    }
    if (this.commit > known) this.#isOnQuorum(core);
  }

  #sameAsCommitted(node: JudgedNode, entry: Entry): void {
    const { index, term } = entry;
    const same = term === this.#terms[index] && sameBytes(entry.payload, this.#payloads[index]!);
    demand(same, "a committed entry never changes (Raft 5.4.3)", {
      node: node.id,
      index,
      term,
      committed: this.#terms[index],
    });
  }

  #extend(core: JudgedCore, entry: Entry): void {
    demand(core.role === "leader", "only a leader commits what nobody has committed (Raft 5.3)", {
      index: entry.index,
      term: entry.term,
    });
    this.#terms.push(entry.term);
    this.#payloads.push(entry.payload);
    this.#commitTerms.push(core.term);
  }

  /** The entry that was just committed first is on the disks of a majority of the configuration that decided. */
  #isOnQuorum(core: JudgedCore): void {
    const index = this.commit;
    const term = this.#terms[index]!;
    const holds = (id: NodeId): boolean => {
      const node = this.#nodes.get(id);
      if (node === undefined) return false;
      // A leader may count what a node had and lost: the node votes for nobody until it has caught up.
      return [node.log.durable, node.beforeLoss].some(
        (image) => image !== undefined && (image.offset >= index || image.term(index) === term),
      );
    };
    demand(isQuorum(core.membership, holds), "committed on the disks of a quorum (Raft 5.3)", {
      index,
      term,
      voters: core.membership.voters,
      outgoing: core.membership.outgoing,
      holders: [...this.#nodes.keys()].filter(holds),
    });
  }

  /** A batch goes to the disk of a node; called before the log takes it. */
  appending(node: JudgedNode, batch: Batch, core: JudgedCore): void {
    const { log } = node;
    const { hardState, truncateFrom, snapshot, entries } = batch;
    if (hardState !== undefined) {
      demand(hardState.term >= log.visible.hardState.term, "terms never go back", {
        node: node.id,
        term: hardState.term,
      });
    }
    if (truncateFrom !== undefined) {
      // The commit index as it was before this event.
      const { commit } = this.#seen.get(node.id)!;
      demand(truncateFrom > commit, "nothing committed is truncated (Raft 5.4.3)", {
        node: node.id,
        from: truncateFrom,
        commit,
      });
    }
    if (snapshot !== undefined) this.#snapshot(node, snapshot.index, snapshot);
    let last = snapshot?.index ?? (truncateFrom ?? log.lastIndex + 1) - 1;
    let before = snapshot?.term ?? log.term(last);
    for (const entry of entries) {
      demand(entry.index === last + 1 && before !== undefined, "entries without a gap", {
        node: node.id,
        index: entry.index,
        last,
      });
      this.#matches(entry, before, node);
      last = entry.index;
      before = entry.term;
    }
    if (core.role === "leader") this.#oneChange(log, entries, core);
  }

  /** A batch is on the disk for good. */
  persisted(node: JudgedNode, { hardState }: Batch): void {
    if (hardState === undefined) return;
    const { votes } = this.#seen.get(node.id)!;
    const { term, vote } = hardState;
    const earlier = votes.get(term);
    demand(earlier === undefined || earlier === vote, "one vote per term (Raft 5.2)", {
      node: node.id,
      term,
      vote,
      earlier,
    });
    if (vote !== undefined) votes.set(term, vote);
  }

  #matches(entry: Entry, before: number, node: JudgedNode): void {
    const key = entry.index * TERM_SPAN + entry.term;
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { before, payload: entry.payload });
      return;
    }
    const same = known.before === before && sameBytes(known.payload, entry.payload);
    demand(same, "log matching (Raft 5.3)", {
      node: node.id,
      index: entry.index,
      term: entry.term,
      before,
      elsewhere: known.before,
    });
  }

  #oneChange(log: DurableLog, entries: readonly Entry[], core: JudgedCore): void {
    for (const entry of entries) {
      if (entry.payload[0] !== CONFIGURATION_MARK) continue;
      for (let index = core.applied + 1; index < entry.index; index++) {
        const other = index > log.lastIndex ? undefined : log.visible.entry(index);
        demand(
          other?.payload[0] !== CONFIGURATION_MARK,
          "one configuration change at a time (dissertation 4.1)",
          {
            change: entry.index,
            other: index,
            applied: core.applied,
          },
        );
      }
    }
  }

  #snapshot(
    node: JudgedNode,
    index: number,
    snapshot: { readonly term: number; readonly membership: Membership },
  ): void {
    demand(this.#terms[index] === snapshot.term, "a snapshot stands for committed entries", {
      node: node.id,
      index,
      term: snapshot.term,
    });
    this.membershipIs(index, snapshot.membership, node.id);
  }

  /** A node has the membership that follows from the changes up to `index`. */
  membershipIs(index: number, membership: Membership, node: NodeId): void {
    const known = this.#memberships.findLast((at) => at.index <= index) ?? this.#memberships[0]!;
    if (known.index === index || !this.#isNew(index)) {
      demand(sameMembership(known.membership, membership), "the same membership at an index", {
        node,
        index,
        voters: membership.voters,
        known: known.membership.voters,
      });
      return;
    }
    demand(
      doOverlap(known.membership, membership),
      "adjacent configurations overlap (dissertation 4.3)",
      {
        index,
        before: known.membership.voters,
        after: membership.voters,
      },
    );
    this.#memberships.push({ index, membership });
  }

  #isNew(index: number): boolean {
    return (
      index > this.#memberships.at(-1)!.index && this.#payloads[index]?.[0] === CONFIGURATION_MARK
    );
  }

  /** The membership that holds behind an index. */
  membershipAt(index: number): Membership {
    return this.#memberships.findLast((at) => at.index <= index)!.membership;
  }

  /** A message leaves a node: what it says of the disk must be there. */
  leaving(node: JudgedNode, message: Message): void {
    const { durable } = node.log;
    const { hardState } = durable;
    switch (message.type) {
      case "vote-response":
        if (message.reject) return;
        demand(
          hardState.term > message.term ||
            (hardState.term === message.term && hardState.vote === message.to),
          "a vote is durable before it is given (Raft 3.8)",
          {
            node: node.id,
            to: message.to,
            term: message.term,
            durable: hardState.term,
          },
        );
        return;
      case "timeout-now":
        this.#invited.set(message.to, message);
        return;
      case "vote":
        if (message.isTransfer) this.#isInvited(node, message);
        // Without the end of its log it must not ask again in this term and be elected by the answers to what it asked
        // before: it has the log, or its term is durable, so that it does not ask again in it.
        demand(
          durable.lastIndex >= message.index || hardState.term >= message.term,
          "a candidate's log is durable before it asks for votes with it (Raft 3.8)",
          { node: node.id, index: message.index, durable: durable.lastIndex },
        );
        return;
      case "append-response":
        if (message.reject || hardState.term > message.term) return;
        demand(
          durable.lastIndex >= message.index,
          "an entry is durable before it is acknowledged (Raft 3.8)",
          {
            node: node.id,
            index: message.index,
            durable: durable.lastIndex,
          },
        );
        return;
      default:
    }
  }

  /** A target of a transfer starts an election in the term that follows, with the leader's log on its disk. */
  #isInvited(node: JudgedNode, message: Message): void {
    const invitation = this.#invited.get(node.id);
    demand(
      invitation !== undefined &&
        message.term === invitation.term + 1 &&
        node.log.durable.lastIndex >= invitation.index,
      "who is asked to start an election is ready for it (dissertation 3.10)",
      { node: node.id, term: message.term, asked: invitation?.term, index: invitation?.index },
    );
  }

  /** A leader believes that a follower has everything up to `match`. */
  matchIs(core: JudgedCore, follower: NodeId, match: number): void {
    const node = this.#nodes.get(follower);
    if (node === undefined || node.beforeLoss !== undefined) return;
    const { durable, visible } = node.log;
    // It may have begun to follow another leader since.
    if (visible.hardState.term > core.term) return;
    demand(match <= durable.lastIndex, "match <= durable index of the follower", {
      follower,
      match,
      durable: durable.lastIndex,
    });
  }
}

function demand(
  holds: boolean,
  rule: string,
  facts: Readonly<Record<string, unknown>>,
): asserts holds {
  if (!holds) throw new Violation(rule, facts);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
