/**
 * Tuples of a state of a vault, the newest or an older one, as the evaluator reads them. A tuple is a point read by its path,
 * a list is the subtree of its resource or subject, row by row as it is taken.
 *
 *   INV-ACTIVE-2  The evaluator sees exactly the tuples that plain reads of the same state and time see.
 *   INV-ACTIVE-3  One question looks at a bounded number of rows: what goes over it is refused, and holds up nobody else.
 *
 * Lists are in the order of the commitment's paths, and so are positions: what was read is what a proof shows.
 */
import {
  decodeTupleCondition,
  type PositionedTuple,
  type RelationTuple,
  type TupleReader,
} from "@authledger/authz";
import { Kind, type LedgerKey, NONCE_BYTES, PATH_BYTES, writeKey } from "@authledger/proof";
import { type LiveRecord, type StateView, type TupleRow, tupleRows } from "@authledger/state";
import { assert, ByteWriter, height, LedgerError, utf8 } from "@authledger/types";
import { DECISION_ROWS_MAX } from "../limits.js";

/** Where keys and their paths are written; one for all readers, since none keeps what it wrote. */
const keyBytes = new ByteWriter(1024);
const keyPath = new Uint8Array(PATH_BYTES);
const ANYTHING = new Uint8Array(0);

type Direction = typeof Kind.tupleByResource | typeof Kind.tupleBySubject;

export class StateTupleReader implements TupleReader {
  readonly #view: StateView;
  readonly #timeMs: number;
  #rowsLeft: number;
  #expiresFirstMs = Number.POSITIVE_INFINITY;

  /** @param timeMs what is past it counts as expired */
  constructor(view: StateView, timeMs: number, rowsMax: number = DECISION_ROWS_MAX) {
    this.#view = view;
    this.#timeMs = timeMs;
    this.#rowsLeft = rowsMax;
  }

  /** When the first of the tuples that were read expires: until then, another reader of this state reads the same. */
  get expiresFirstMs(): number {
    return this.#expiresFirstMs;
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    this.#look();
    const key = { kind: Kind.tupleByResource, partition: object, group: relation, item: subject };
    const found = this.#view.live(this.#locate(key), keyPath, this.#timeMs);
    return found && this.#tuple(object, relation, subject, found);
  }

  *ofObject(object: string, relation: string): Iterable<RelationTuple> {
    for (const row of this.#rows(Kind.tupleByResource, object, relation, ANYTHING)) {
      yield this.#tuple(object, relation, row.item, row);
    }
  }

  *usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple> {
    for (const row of this.#rows(Kind.tupleByResource, object, relation, utf8(`${type}:`))) {
      if (row.item.includes("#")) yield this.#tuple(object, relation, row.item, row);
    }
  }

  *ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple> {
    const start = utf8(`${type}:`);
    for (const row of this.#rows(Kind.tupleBySubject, subject, relation, start, after)) {
      const position = row.path.slice();
      yield { ...this.#tuple(row.item, relation, subject, row), position };
    }
  }

  #rows(
    kind: Direction,
    partition: string,
    relation: string,
    start: Uint8Array,
    after?: Uint8Array,
  ): Iterable<TupleRow> {
    const about = { kind, partition, relation, start, after, timeMs: this.#timeMs };
    return tupleRows(this.#view, { ...about, look: () => this.#look() });
  }

  /** Writes the path of a key to `keyPath` and gives its bytes. */
  #locate(key: LedgerKey): Uint8Array {
    keyBytes.clear();
    writeKey(keyBytes, key);
    this.#view.paths.pathInto(key, keyPath, 0);
    return keyBytes.view();
  }

  #tuple(object: string, relation: string, subject: string, found: LiveRecord): RelationTuple {
    const { version, expiresAtMs, hasValue } = found;
    if (expiresAtMs !== 0 && expiresAtMs < this.#expiresFirstMs) this.#expiresFirstMs = expiresAtMs;
    const plain = { object, relation, subject, height: height(version) };
    if (!hasValue) return plain;
    this.#locate({ kind: Kind.tupleByResource, partition: object, group: relation, item: subject });
    const value = this.#view.value(keyPath);
    assert(value !== undefined, "a tuple with a value has one", { vault: this.#view.id });
    return { ...plain, condition: decodeTupleCondition(value.subarray(NONCE_BYTES)) };
  }

  #look(): void {
    if (--this.#rowsLeft >= 0) return;
    const message = `the question looks at more than ${DECISION_ROWS_MAX} stored tuples: ask about less at once`;
    throw new LedgerError("EVALUATION_TOO_COMPLEX", message, {
      details: { limit: DECISION_ROWS_MAX },
    });
  }
}
