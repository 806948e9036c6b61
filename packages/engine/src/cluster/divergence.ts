/**
 * A replica whose state is not that of the majority: it is fenced, says where the states part, and rebuilds itself from
 * its peers (L-115; architecture.md, "What goes wrong").
 *
 *   INV-REPLICA-11  From the moment a replica knows that it parted until its state was replaced, it answers no read of a
 *                   vault and none about organizations and vaults, those that wait neither, proposes nothing and signs
 *                   nothing, whatever vault: what made one wrong may have touched others, which show it only later. The
 *                   state that it is given may be older: it answers again when it has come to where it was.
 *   INV-REPLICA-12  A replica whose process ended while it was wrong answers nothing and signs nothing, whatever vault, until
 *                   a majority of the voters has told its digest of an entry from there on, or its state was replaced. Where there is
 *                   no majority, and a voter tells another digest, it takes the word that it has: it is wrong, and is rebuilt.
 *
 * An only voter is that majority: there is no other state than its own to go on with, and it says so.
 *
 * Every node tells its digests to all others once a second. A node that is wrong finds out
 * by itself, from what the others tell, and so do they: nobody has to be believed. What it refuses meanwhile it refuses
 * before anything was proposed, with an error that sends its clients to another node.
 */
import type { Random, Timers } from "@authledger/io";
import type { GroupState, ScrubDifference } from "@authledger/state";
import { type Hasher, LedgerError, type NodeId } from "@authledger/types";
import { describeDifference } from "../maintenance/scrubber.js";
import { DifferenceSearch } from "./difference-search.js";
import { type DigestFrame, decodeDigestFrame, encodeDigestFrame } from "./digest-frames.js";
import { DIGEST_EVERY, DIGEST_INTERVAL_MS, REBUILD_RETRY_MS } from "./digest-limits.js";
import { type DigestVerdict, DigestWatch } from "./digest-watch.js";

export interface DivergenceOptions {
  /** Entries between two digests that are told of; all of a cluster the same. Default 64. */
  readonly every?: number | undefined;
  /** Milliseconds between two reports. Default 1,000. */
  readonly intervalMs?: number | undefined;
}

export interface DivergenceDeps {
  readonly self: NodeId;
  readonly timers: Timers;
  readonly random: Random;
  readonly hasher: Hasher;
  readonly state: GroupState;
  readonly voters: () => readonly NodeId[];
  /** All but this node, learners too. */
  readonly others: () => readonly NodeId[];
  readonly send: (to: NodeId, payload: Uint8Array) => boolean;
  /** This node must not lead with a wrong state, if it does: another voter is to. Not from within a step of the core that elects it. */
  readonly stepDown: (to: NodeId) => void;
  /** This replica was just found to be wrong: nobody is to be given its state from here on (INV-REPLICA-15). */
  readonly onParted: () => void;
  /** Asks a peer for its state (SnapshotExchange.ask). */
  readonly askForState: (of: NodeId) => void;
  /** Outlives the process: this replica is wrong from an entry on, or is no more. */
  readonly mark: { note(index: number): void; clear(): void };
  readonly onAlarm: (alarm: string) => void;
  readonly onFatal: (error: LedgerError) => void;
}

/** What a client waits that asks a replica which was just rebuilt, ... */
const REBUILT_RETRY_MS = 200;
/** ... and one that is wrong, if it has no other to ask. */
const PARTED_RETRY_MS = 1_000;

/** This replica is wrong. */
interface Parted {
  readonly peers: readonly NodeId[];
  /** Undefined while it is looked for. */
  found: { readonly difference: ScrubDifference | undefined } | undefined;
  asked: number;
}

export class Divergence {
  readonly #deps: DivergenceDeps;
  readonly #intervalMs: number;
  readonly #watch: DigestWatch;
  readonly #search: DifferenceSearch;
  readonly #alarmed = new Set<string>();
  #parted: Parted | undefined;
  /** The entry at which a process before this one found this replica wrong; it was not compared since. */
  #doubtedFrom: number | undefined;
  /** The newest entry that was ever applied here: clients and signatures may have seen it. */
  #reached = 0;
  #sinceAskedMs = 0;
  #steppedDown = 0;
  #cancelTick: (() => void) | undefined;

  constructor(options: DivergenceOptions, deps: DivergenceDeps) {
    this.#deps = deps;
    this.#intervalMs = options.intervalMs ?? DIGEST_INTERVAL_MS;
    this.#watch = new DigestWatch(deps.self, options.every ?? DIGEST_EVERY, deps.voters);
    const { state, hasher, timers, random } = deps;
    const send = (to: NodeId, frame: DigestFrame): boolean => this.#send(to, frame);
    this.#search = new DifferenceSearch({ state, hasher, timers, random, send });
  }

  /** @param doubtedFrom the entry that the mark names, if there is one */
  start(doubtedFrom?: number): void {
    this.#doubtedFrom = doubtedFrom;
    if (doubtedFrom !== undefined) {
      this.#deps.onAlarm(
        `this replica's state was wrong at entry ${doubtedFrom} when the node stopped: it serves when it was compared`,
      );
    }
    this.#noteApplied();
    this.#tick();
  }

  stop(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  /** Is this replica waiting to be rebuilt? */
  get isParted(): boolean {
    return this.#parted !== undefined;
  }

  /** Is it wrong, or may it be, from what a process before this one knew? Its state is for nobody then. */
  get isDoubtful(): boolean {
    return this.isParted || this.#doubtedFrom !== undefined;
  }

  /** Does the state have to be taken for wrong, or is it older than what was seen of this replica? */
  get isFenced(): boolean {
    return this.isDoubtful || this.#deps.state.applied.index < this.#reached;
  }

  /** Why nothing is answered or signed here: REPLICA_DIVERGED, or NOT_READY when it will be over soon (INV-REPLICA-11). */
  get problem(): LedgerError | undefined {
    if (!this.isFenced) return undefined;
    if (this.#parted === undefined && this.#doubtedFrom !== undefined) {
      const message = `this replica's state was wrong at entry ${this.#doubtedFrom} when the node stopped, and was not compared since`;
      return diverged(message);
    }
    if (this.#parted === undefined) {
      const message = `this replica was rebuilt and applies entries up to ${this.#reached} again`;
      return new LedgerError("NOT_READY", message, { retryAfterMs: REBUILT_RETRY_MS });
    }
    const difference = this.#parted.found?.difference;
    const where = difference === undefined ? "" : `: ${describeDifference(difference)}`;
    const message = `this replica's state is not that of the majority${where}; it is rebuilt from its peers`;
    return diverged(message);
  }

  /** After each applied entry. */
  applied(): void {
    const verdict = this.#noteApplied();
    if (verdict !== undefined) this.#found(verdict);
    this.#trust();
  }

  /** The state was replaced by a peer's. */
  replaced(): void {
    const wasParted = this.#parted !== undefined;
    this.#parted = undefined;
    if (wasParted || this.#doubtedFrom !== undefined) this.#deps.mark.clear();
    this.#doubtedFrom = undefined;
    this.#watch.reset();
    this.#noteApplied();
    if (wasParted) this.#deps.onAlarm("this replica's state was replaced by that of a peer");
  }

  /** A frame of the kind `digest`. */
  onFrame(from: NodeId, payload: Uint8Array): void {
    try {
      const frame = decodeDigestFrame(payload);
      if (frame.kind === "report") {
        for (const verdict of this.#watch.told(from, frame.points)) this.#found(verdict);
        this.#trust();
        return;
      }
      const answer = this.#search.answer(frame);
      if (answer === undefined) this.#search.answered(frame);
      else this.#send(from, answer);
    } catch (error) {
      const failure = LedgerError.from(error);
      if (failure.code === "CODEC_DECODE") {
        this.#deps.onAlarm(`a frame of node ${from} was dropped: ${failure.message}`);
      } else {
        // A question is answered from pages: the node whose own cannot be read stops, as with any other reader of them.
        this.#deps.onFatal(failure);
      }
    }
  }

  /**
   * A leader whose state is wrong, or may be, proposes nothing: as long as this one leads, each of the other voters is asked in turn,
   * since one may be away. No-op where nothing is in doubt.
   */
  giveUpLeading(): void {
    const others = this.#otherVoters();
    if (!this.isDoubtful || others.length === 0) return;
    this.#deps.stepDown(others[this.#steppedDown++ % others.length]!);
  }

  /** INV-REPLICA-12: it may have been made right by applying the log again. */
  #trust(): void {
    const from = this.#doubtedFrom;
    if (from === undefined || this.#parted !== undefined || !this.#watch.isConfirmed(from)) return;
    this.#doubtedFrom = undefined;
    this.#deps.mark.clear();
    this.#deps.onAlarm(
      this.#otherVoters().length > 0
        ? "this replica's state was compared, and is that of the majority"
        : `this replica's state was wrong at entry ${from}, and serves as it is: it is the only voter's, there is no other one`,
    );
  }

  #otherVoters(): readonly NodeId[] {
    return this.#deps.voters().filter((voter) => voter !== this.#deps.self);
  }

  #noteApplied(): DigestVerdict | undefined {
    const { index, digest } = this.#deps.state.applied;
    this.#reached = Math.max(this.#reached, index);
    return index === 0 ? undefined : this.#watch.applied(index, digest);
  }

  #tick(): void {
    this.#cancelTick = this.#deps.timers.after(this.#intervalMs, () => {
      this.#report();
      this.#trust();
      this.giveUpLeading();
      this.#sinceAskedMs += this.#intervalMs;
      if (this.#sinceAskedMs >= REBUILD_RETRY_MS) this.#ask();
      this.#tick();
    });
  }

  #report(): void {
    const peers = this.#deps.others();
    this.#watch.keepOnly(peers);
    if (peers.length === 0) return;
    const points = this.#watch.report();
    const payload = encodeDigestFrame({ kind: "report", points });
    for (const peer of peers) this.#deps.send(peer, payload);
  }

  #send(to: NodeId, frame: DigestFrame): boolean {
    return this.#deps.send(to, encodeDigestFrame(frame));
  }

  #found({ index, wrong, others }: DigestVerdict): void {
    const { self } = this.#deps;
    if (wrong.length === 0) {
      const who = others.map(String).join(", ");
      this.#alarm(
        who,
        `nodes ${who} have different states at entry ${index}, and no majority says which is right`,
      );
      const voters = this.#otherVoters().filter((voter) => others.includes(voter));
      const wasWrong = this.#doubtedFrom !== undefined && this.#parted === undefined;
      const by = `by nodes ${voters.join(", ")}, and was wrong before the node stopped`;
      if (wasWrong && voters.length > 0) this.#part(index, voters, by);
    } else if (!wrong.includes(self)) {
      for (const node of wrong) {
        this.#alarm(
          `${node}`,
          `node ${node} has another state at entry ${index} than the majority`,
        );
      }
    } else if (this.#parted === undefined) {
      this.#part(index, others, `by the majority of nodes ${others.join(", ")}`);
    }
  }

  /** Each node once: every later digest of it differs too. */
  #alarm(about: string, alarm: string): void {
    if (this.#alarmed.has(about)) return;
    this.#alarmed.add(about);
    this.#deps.onAlarm(alarm);
  }

  #part(index: number, peers: readonly NodeId[], by: string): void {
    const parted: Parted = { peers, found: undefined, asked: 0 };
    this.#parted = parted;
    this.#deps.mark.note(index);
    this.#deps.onParted();
    this.giveUpLeading();
    this.#look(parted, `at entry ${index} ${by}`)
      .catch((error: unknown) => this.#lookedInVain(parted, LedgerError.from(error)))
      .then(() => this.#ask())
      .catch((error: unknown) => this.#deps.onFatal(LedgerError.from(error)));
  }

  async #look(parted: Parted, why: string): Promise<void> {
    let difference: ScrubDifference | undefined;
    for (const peer of parted.peers) {
      difference = await this.#search.run(peer);
      if (difference !== undefined) break;
    }
    this.#note(parted, difference, why);
  }

  /** The state is so wrong that it cannot be read: it is rebuilt all the same. */
  #lookedInVain(parted: Parted, { message }: LedgerError): void {
    this.#note(parted, undefined, `and where could not be told: ${message}`);
  }

  #note(parted: Parted, difference: ScrubDifference | undefined, why: string): void {
    parted.found = { difference };
    const where = difference === undefined ? "in rows of no vault" : describeDifference(difference);
    this.#deps.onAlarm(`this replica's state is wrong ${why}: ${where}; it is rebuilt`);
  }

  #ask(): void {
    const parted = this.#parted;
    if (parted === undefined) return;
    this.#sinceAskedMs = 0;
    const peer = parted.peers[parted.asked++ % parted.peers.length]!;
    if (parted.found !== undefined) this.#deps.askForState(peer);
  }
}

function diverged(message: string): LedgerError {
  return new LedgerError("REPLICA_DIVERGED", message, { retryAfterMs: PARTED_RETRY_MS });
}
