/**
 * Finds where this replica's state parts from another one's: the first vault, bucket and path. It asks for little at a
 * time; a peer that does not answer, or does not have a height any more, leaves the place as exact as it was.
 */
import type { Random, Timers } from "@authledger/io";
import {
  bucketHashes,
  bucketLeaves,
  type ComparedLeaf,
  comparedView,
  type GroupState,
  partedAt,
  replicaHeads,
  type ScrubDifference,
} from "@authledger/state";
import {
  compareBytes,
  equalBytes,
  HASH_BYTES,
  type Hasher,
  LedgerError,
  type NodeId,
  toHex,
} from "@authledger/types";
import type { DigestFrame } from "./digest-frames.js";
import {
  COMPARE_QUESTIONS_MAX,
  COMPARE_TIMEOUT_MS,
  COMPARED_HEADS_MAX,
  COMPARED_LEAVES_MAX,
} from "./digest-limits.js";
import { QuestionIds } from "./question-ids.js";

export interface DifferenceSearchDeps {
  readonly state: GroupState;
  readonly hasher: Hasher;
  readonly timers: Timers;
  readonly random: Random;
  /** False when it was dropped. */
  readonly send: (to: NodeId, frame: DigestFrame) => boolean;
}

type Answer<K extends DigestFrame["kind"]> = Extract<DigestFrame, { readonly kind: K }>;
type Question = Extract<DigestFrame, { readonly kind: "heads" | "buckets" | "leaves" }>;
/** Where this replica parts from a peer: at which of the peer's heights, and the own newest one. */
interface PartedVault {
  readonly vault: number;
  readonly height: number;
  readonly ownHeight: number;
}
/** `Omit` of each member of a union. */
type Unnumbered<T> = T extends unknown ? Omit<T, "request"> : never;

export class DifferenceSearch {
  readonly #deps: DifferenceSearchDeps;
  readonly #waiting = new Map<number, (answer: DigestFrame | undefined) => void>();
  readonly #ids: QuestionIds;

  constructor(deps: DifferenceSearchDeps) {
    this.#deps = deps;
    this.#ids = new QuestionIds(deps.random);
  }

  /** The first difference from a peer's state; undefined when no vault is different. */
  async run(peer: NodeId): Promise<ScrubDifference | undefined> {
    const parted = await this.#vault(peer);
    if (parted === undefined) return undefined;
    const row = this.#deps.state.rows.vault(parted.vault);
    if (row === undefined) return undefined;
    const { id, organizationSlug: organization, slug } = row;
    const place = await this.#place(peer, parted);
    const what = `its state is not that of node ${peer}`;
    return {
      area: "leaf",
      vault: { id, organization, slug },
      height: parted.height,
      ...place,
      what,
    };
  }

  /** An answer has come. */
  answered(frame: DigestFrame): void {
    if (!("request" in frame)) return;
    this.#waiting.get(frame.request)?.(frame);
  }

  /** Answers what another replica asks; undefined for what is no question. */
  answer(question: DigestFrame): DigestFrame | undefined {
    const { state, hasher } = this.#deps;
    if (question.kind === "report" || !isQuestion(question)) return undefined;
    const { request } = question;
    switch (question.kind) {
      case "heads": {
        const applied = state.applied.index;
        for (const head of question.heads) {
          if (applied < question.applied) break;
          const height = partedAt(state, head, question.applied, hasher);
          if (height === undefined) continue;
          return { kind: "parted", request, applied, found: { vault: head.vault, height } };
        }
        return { kind: "parted", request, applied, found: undefined };
      }
      case "buckets":
        return { kind: "hashes", request, hashes: orNothing(() => this.#hashes(question)) };
      case "leaves": {
        const leaves = orNothing(() => this.#leaves(question));
        return { kind: "records", request, leaves };
      }
    }
  }

  async #vault(peer: NodeId): Promise<PartedVault | undefined> {
    const { state } = this.#deps;
    let from: number | undefined = 0;
    for (let asked = 0; from !== undefined && asked < COMPARE_QUESTIONS_MAX; asked++) {
      const applied = state.applied.index;
      const page = replicaHeads(state, from, COMPARED_HEADS_MAX);
      const answer = await this.#ask(peer, { kind: "heads", applied, heads: page.heads }, "parted");
      if (answer === undefined) return undefined;
      const { found } = answer;
      const own = page.heads.find(({ vault }) => vault === found?.vault);
      if (found !== undefined && own !== undefined) return { ...found, ownHeight: own.height };
      from = page.next;
    }
    return undefined;
  }

  async #place(
    peer: NodeId,
    { vault, height, ownHeight }: PartedVault,
  ): Promise<{ readonly bucket: number | undefined; readonly path: string | undefined }> {
    const nowhere = { bucket: undefined, path: undefined };
    const theirs = (await this.#ask(peer, { kind: "buckets", vault, height }, "hashes"))?.hashes;
    if (theirs === undefined) return nowhere;
    const own = orNothing(() =>
      this.#hashes({ kind: "buckets", request: 0, vault, height: ownHeight }),
    );
    const bucket = own && firstDifferent(own, theirs);
    if (bucket === undefined) return nowhere;
    const path = await this.#path(peer, { vault, height, bucket }, ownHeight);
    return { bucket, path: path && toHex(path) };
  }

  async #path(
    peer: NodeId,
    about: { readonly vault: number; readonly height: number; readonly bucket: number },
    ownHeight: number,
  ): Promise<Uint8Array | undefined> {
    let after: Uint8Array | undefined;
    for (let asked = 0; asked < COMPARE_QUESTIONS_MAX; asked++) {
      const answer = await this.#ask(peer, { kind: "leaves", ...about, after }, "records");
      const theirs = answer?.leaves;
      const asOwn = { ...about, height: ownHeight, after };
      const own = orNothing(() => this.#leaves({ kind: "leaves", request: 0, ...asOwn }));
      if (theirs === undefined || own === undefined) return undefined;
      const path = firstPath(own, theirs);
      if (path !== undefined) return path;
      if (theirs.length < COMPARED_LEAVES_MAX) return undefined;
      after = theirs.at(-1)!.path.slice();
    }
    return undefined;
  }

  #hashes({ vault, height }: Answer<"buckets">): Uint8Array {
    return bucketHashes(comparedView(this.#deps.state, vault, height));
  }

  #leaves({ vault, height, bucket, after }: Answer<"leaves">): ComparedLeaf[] {
    const { state, hasher } = this.#deps;
    const view = comparedView(state, vault, height);
    return bucketLeaves(view, bucket, after, COMPARED_LEAVES_MAX, hasher);
  }

  #ask<K extends DigestFrame["kind"]>(
    peer: NodeId,
    question: Unnumbered<Question>,
    kind: K,
  ): Promise<Answer<K> | undefined> {
    const request = this.#ids.next();
    return new Promise((resolve) => {
      const end = (answer: DigestFrame | undefined): void => {
        cancel();
        this.#waiting.delete(request);
        resolve(answer?.kind === kind ? (answer as Answer<K>) : undefined);
      };
      const cancel = this.#deps.timers.after(COMPARE_TIMEOUT_MS, () => end(undefined));
      this.#waiting.set(request, end);
      if (!this.#deps.send(peer, { ...question, request } as Question)) end(undefined);
    });
  }
}

function isQuestion(frame: DigestFrame): frame is Question {
  return frame.kind === "heads" || frame.kind === "buckets" || frame.kind === "leaves";
}

/** What is not kept, or was never there, is nothing to compare with. */
function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (NOT_THERE.has(LedgerError.from(error).code)) return undefined;
    throw error;
  }
}

const NOT_THERE: ReadonlySet<string> = new Set([
  "VAULT_NOT_FOUND",
  "VAULT_DELETED",
  "HEIGHT_NOT_REACHED",
  "HEIGHT_UNAVAILABLE",
  "INVALID_ARGUMENT",
]);

/** The first bucket whose hashes differ. */
function firstDifferent(a: Uint8Array, b: Uint8Array): number | undefined {
  for (let bucket = 0; bucket * HASH_BYTES < a.length; bucket++) {
    const at = bucket * HASH_BYTES;
    if (!equalBytes(a.subarray(at, at + HASH_BYTES), b.subarray(at, at + HASH_BYTES)))
      return bucket;
  }
  return undefined;
}

/** The first path that only one has, or that has two records. */
function firstPath(
  own: readonly ComparedLeaf[],
  theirs: readonly ComparedLeaf[],
): Uint8Array | undefined {
  for (let i = 0; i < Math.max(own.length, theirs.length); i++) {
    const a = own[i];
    const b = theirs[i];
    if (a === undefined || b === undefined) {
      // A page that is full may go on with what the other one has already.
      return Math.min(own.length, theirs.length) < COMPARED_LEAVES_MAX ? (a ?? b)!.path : undefined;
    }
    const order = compareBytes(a.path, b.path);
    if (order !== 0) return order < 0 ? a.path : b.path;
    if (!equalBytes(a.hash, b.hash)) return a.path;
  }
  return undefined;
}
