/**
 * Compares group digests of replicas at equal index, and says who is wrong: the majority of voters decides, the leader
 * is nobody special in this (museum row 34; raft.md, "Log and page store").
 *
 *   INV-REPLICA-10  A replica is called wrong only where a majority of the voters told one digest of an entry and it
 *                   told another one of the same entry.
 *
 * Pure: the owner feeds it what was applied and what came, and sends what `report` gives.
 */
import { equalBytes, type NodeId, toHex } from "@authledger/types";
import type { DigestPoint } from "./digest-frames.js";
import { DIGEST_POINTS_MAX, DIGESTS_KEPT, DIGESTS_KEPT_OF_PEER } from "./digest-limits.js";

/** What was found out about an entry. */
export interface DigestVerdict {
  readonly index: number;
  /** Those who differ from a majority of the voters; empty when there is no majority. */
  readonly wrong: readonly NodeId[];
  /** The voters of that majority, or all who told, where there is none. */
  readonly others: readonly NodeId[];
}

/** Digests of some entries, the newest ones. */
class Points {
  readonly #max: number;
  readonly #digests = new Map<number, Uint8Array>();

  constructor(max: number) {
    this.#max = max;
  }

  get(index: number): Uint8Array | undefined {
    return this.#digests.get(index);
  }

  set(index: number, digest: Uint8Array): void {
    // Deleted first: a Map keeps the order of insertion.
    this.#digests.delete(index);
    this.#digests.set(index, digest);
    if (this.#digests.size <= this.#max) return;
    const [oldest] = this.#digests.keys();
    this.#digests.delete(oldest!);
  }

  clear(): void {
    this.#digests.clear();
  }

  indexes(): number[] {
    return [...this.#digests.keys()];
  }
}

export class DigestWatch {
  readonly #self: NodeId;
  readonly #every: number;
  readonly #own = new Points(DIGESTS_KEPT);
  readonly #peers = new Map<NodeId, Points>();
  /** Own digests of every `#every`th entry, the newest last. */
  #aligned: DigestPoint[] = [];
  #newest: DigestPoint | undefined;
  readonly #voters: () => readonly NodeId[];
  /** Every index is judged once for each set of those who told of it. */
  readonly #judged = new Map<number, string>();

  /** @param voters who decides */
  constructor(self: NodeId, every: number, voters: () => readonly NodeId[]) {
    this.#self = self;
    this.#every = every;
    this.#voters = voters;
  }

  /** What those told who are no members any more is forgotten. */
  keepOnly(members: readonly NodeId[]): void {
    for (const node of this.#peers.keys()) if (!members.includes(node)) this.#peers.delete(node);
  }

  /** After each applied entry. */
  applied(index: number, digest: Uint8Array): DigestVerdict | undefined {
    this.#newest = { index, digest };
    this.#own.set(index, digest);
    if (index % this.#every === 0) {
      this.#aligned.push(this.#newest);
      if (this.#aligned.length > DIGEST_POINTS_MAX - 1) this.#aligned.shift();
    }
    for (const points of this.#peers.values()) {
      if (points.get(index) !== undefined) return this.#judge(index);
    }
    return undefined;
  }

  /** This replica's state is another one now: what it told before says nothing any more. */
  reset(): void {
    this.#own.clear();
    this.#aligned = [];
    this.#newest = undefined;
    this.#judged.clear();
  }

  /** What to tell the others now. */
  report(): readonly DigestPoint[] {
    const newest = this.#newest;
    if (newest === undefined) return [];
    const last = this.#aligned.at(-1);
    return last?.index === newest.index ? this.#aligned : [...this.#aligned, newest];
  }

  /** What another replica told. Every entry of which something is found out, once. */
  told(by: NodeId, points: readonly DigestPoint[]): DigestVerdict[] {
    let known = this.#peers.get(by);
    if (known === undefined) {
      known = new Points(DIGESTS_KEPT_OF_PEER);
      this.#peers.set(by, known);
    }
    const verdicts: DigestVerdict[] = [];
    for (const { index, digest } of points) {
      known.set(index, digest.slice());
      const verdict = this.#judge(index);
      if (verdict !== undefined) verdicts.push(verdict);
    }
    return verdicts;
  }

  /** Has a majority of the voters told this replica's own digest of an entry from `index` on? */
  isConfirmed(index: number): boolean {
    const own = this.#newest === undefined ? [] : [this.#newest.index];
    const indexes = [...this.#peers.values()].flatMap((points) => points.indexes());
    return [...own, ...indexes].some((at) => {
      const digest = this.#own.get(at);
      if (digest === undefined || at < index) return false;
      const right = majority(this.#voters(), this.#toldOf(at));
      return right !== undefined && equalBytes(right, digest);
    });
  }

  #toldOf(index: number): Map<NodeId, Uint8Array> {
    const told = new Map<NodeId, Uint8Array>();
    const own = this.#own.get(index);
    if (own !== undefined) told.set(this.#self, own);
    for (const [node, points] of this.#peers) {
      const digest = points.get(index);
      if (digest !== undefined) told.set(node, digest);
    }
    return told;
  }

  #judge(index: number): DigestVerdict | undefined {
    const told = this.#toldOf(index);
    const [first] = told.values();
    if (first === undefined || [...told.values()].every((digest) => equalBytes(digest, first))) {
      return undefined;
    }
    const voters = this.#voters();
    const right = majority(voters, told);
    // A voter that has not told yet may decide it.
    const isOpen = voters.length === 0 || !voters.every((voter) => told.has(voter));
    if (right === undefined && isOpen) return undefined;
    if (!this.#isNews(index, told)) return undefined;
    if (right === undefined) return { index, wrong: [], others: [...told.keys()] };
    const wrong = [...told]
      .filter(([, digest]) => !equalBytes(digest, right))
      .map(([node]) => node);
    const others = [...told.keys()].filter((node) => !wrong.includes(node));
    return { index, wrong, others: others.filter((node) => voters.includes(node)) };
  }

  #isNews(index: number, told: ReadonlyMap<NodeId, Uint8Array>): boolean {
    const key = [...told.keys()].sort((a, b) => (a < b ? -1 : 1)).join(" ");
    if (this.#judged.get(index) === key) return false;
    this.#judged.delete(index);
    this.#judged.set(index, key);
    if (this.#judged.size > DIGESTS_KEPT_OF_PEER) {
      const [oldest] = this.#judged.keys();
      this.#judged.delete(oldest!);
    }
    return true;
  }
}

/** The digest that more than half of the voters told. */
function majority(
  voters: readonly NodeId[],
  told: ReadonlyMap<NodeId, Uint8Array>,
): Uint8Array | undefined {
  const counts = new Map<string, number>();
  for (const voter of voters) {
    const digest = told.get(voter);
    if (digest === undefined) continue;
    const key = toHex(digest);
    const count = (counts.get(key) ?? 0) + 1;
    if (count * 2 > voters.length) return digest;
    counts.set(key, count);
  }
  return undefined;
}
