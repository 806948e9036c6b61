/**
 * What an evaluation read: the keys and sub-lists that a proof of its answer has to show. The recorder stands between
 * evaluator and tuples and lets everything pass.
 *
 *   INV-DECISION-1  Evidence covers every read: over it the same evaluator reads the same, in the same order. A list that was
 *                   left early is covered up to the last tuple that was taken.
 *   INV-DECISION-2  What was found by subject stands beside its twin by resource.
 *
 * Source: commitment.md, "What a decision proof is", "Lists by subject".
 */
import {
  Kind,
  type LedgerKey,
  type ListQuery,
  type PathHasher,
  type ProofQuestions,
  pathBehind,
  tupleBySubjectKey,
  tupleKey,
} from "@authledger/proof";
import { LedgerError, type Tuple } from "@authledger/types";
import type { PositionedTuple, RelationTuple, TupleReader } from "../evaluate/tuple-reader.js";

/** Points and rows of lists that one proof may show: more would not fit an answer. */
export const EVIDENCE_READS_MAX = 32_768;

/** A list as far as it was read. */
interface ReadList {
  readonly kind: typeof Kind.tupleByResource | typeof Kind.tupleBySubject;
  /** The resource, or the subject. */
  readonly partition: string;
  readonly relation: string;
  /** The path behind which it begins. */
  readonly after: Uint8Array | undefined;
  taken: number;
  last: RelationTuple | undefined;
  isComplete: boolean;
}

/** Notes what is read through it. Lists of its reader are in the order of the commitment's paths, and so are positions. */
export class EvidenceRecorder implements TupleReader {
  readonly #reader: TupleReader;
  /** Looked up, or found by subject. */
  readonly #points = new Map<string, Tuple>();
  readonly #lists = new Map<string, ReadList>();
  readonly #conditional = new Map<string, Tuple>();
  #reads = 0;

  constructor(reader: TupleReader) {
    this.#reader = reader;
  }

  /** Tuples with conditions that were read: their values go with the proof, which has only digests of them. */
  get conditional(): Iterable<Tuple> {
    return this.#conditional.values();
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    const tuple = this.#reader.find(object, relation, subject);
    this.#notePoint({ resource: object, relation, subject });
    if (tuple !== undefined) this.#noteValue(tuple);
    return tuple;
  }

  ofObject(object: string, relation: string): Iterable<RelationTuple> {
    const list = this.#listOf(Kind.tupleByResource, object, relation, "all");
    return this.#passing(list, this.#reader.ofObject(object, relation));
  }

  usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple> {
    const list = this.#listOf(Kind.tupleByResource, object, relation, `usersets ${type}`);
    return this.#passing(list, this.#reader.usersetsOf(object, relation, type));
  }

  ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple> {
    const list = this.#listOf(Kind.tupleBySubject, subject, relation, `of ${type}`, after);
    return this.#passing(list, this.#reader.ofSubject(subject, relation, type, after));
  }

  /** What a proof must answer so that the evaluator can run over it again. */
  questions(paths: PathHasher): ProofQuestions {
    const lists = [...this.#lists.values()].filter(
      ({ isComplete, taken }) => isComplete || taken > 0,
    );
    const whole = new Set(
      lists.filter(isWholeOfResource).map(({ partition, relation }) => idOf(partition, relation)),
    );
    // A whole list shows each of its points too.
    const points = [...this.#points.values()].filter(
      ({ resource, relation }) => !whole.has(idOf(resource, relation)),
    );
    return { gets: points.map(tupleKey), lists: lists.map((list) => queryOf(paths, list)) };
  }

  *#passing<T extends RelationTuple>(list: ReadList, tuples: Iterable<T>): Generator<T, void> {
    let taken = 0;
    for (const tuple of tuples) {
      taken++;
      if (taken > list.taken) {
        this.#count();
        list.taken = taken;
        list.last = tuple;
      }
      this.#noteValue(tuple);
      if (list.kind === Kind.tupleBySubject) this.#notePoint(stored(tuple));
      yield tuple;
    }
    list.isComplete = true;
  }

  #listOf(
    kind: ReadList["kind"],
    partition: string,
    relation: string,
    which: string,
    after?: Uint8Array,
  ): ReadList {
    const id = `${kind} ${which} ${after?.join() ?? ""} ${idOf(partition, relation)}`;
    const known = this.#lists.get(id);
    if (known !== undefined) return known;
    const begun = {
      kind,
      partition,
      relation,
      after,
      taken: 0,
      last: undefined,
      isComplete: false,
    };
    this.#lists.set(id, begun);
    return begun;
  }

  #notePoint(tuple: Tuple): void {
    const id = idOf(tuple.resource, tuple.relation, tuple.subject);
    if (this.#points.has(id)) return;
    this.#count();
    this.#points.set(id, tuple);
  }

  #noteValue(tuple: RelationTuple): void {
    if (tuple.condition === undefined) return;
    this.#conditional.set(idOf(tuple.object, tuple.relation, tuple.subject), stored(tuple));
  }

  #count(): void {
    if (++this.#reads <= EVIDENCE_READS_MAX) return;
    const message = `a proof would have to show more than ${EVIDENCE_READS_MAX} tuples: ask about less at once, or without a proof`;
    throw new LedgerError("LIMIT_EXCEEDED", message, {
      details: { field: "prove", limit: EVIDENCE_READS_MAX },
    });
  }
}

function isWholeOfResource({ kind, isComplete }: ReadList): boolean {
  return kind === Kind.tupleByResource && isComplete;
}

function queryOf(paths: PathHasher, list: ReadList): ListQuery {
  const { kind, partition, relation, after, last, isComplete } = list;
  const from = after && pathBehind(after);
  if (isComplete || last === undefined) return { kind, partition, group: relation, from };
  return { kind, partition, group: relation, from, to: pathBehind(paths.path(keyOf(kind, last))) };
}

function keyOf(kind: ReadList["kind"], tuple: RelationTuple): LedgerKey {
  const key = stored(tuple);
  return kind === Kind.tupleByResource ? tupleKey(key) : tupleBySubjectKey(key);
}

function stored({ object, relation, subject }: RelationTuple): Tuple {
  return { resource: object, relation, subject };
}

/** Lengths keep the parts apart whatever they hold. */
function idOf(...parts: readonly string[]): string {
  return parts.map((part) => `${part.length}:${part}`).join("");
}
