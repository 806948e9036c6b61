/**
 * The tuples of a proven state, for the evaluator: what a proof shows, alive at the answer's time.
 *
 *   INV-DECISION-3  What the proof does not show refuses the answer (PROOF_INSUFFICIENT); nothing is false for want of
 *                   evidence. A condition is read only from a value that its record commits to.
 *   INV-DECISION-4  A check takes tuples by resource (kind 0x01) and by nothing else. Only lists of objects read by subject
 *                   (kind 0x02), and take a hit only beside its equal twin.
 *
 * Source: commitment.md, "State" (kinds), "Lists by subject", "Expiry".
 */
import {
  askState,
  commitToValue,
  Kind,
  type LedgerRecord,
  NONCE_BYTES,
  type ProvenTrie,
  pathBehind,
  scanState,
  tupleKey,
  tupleOfKey,
} from "@authledger/proof";
import { type Hasher, LedgerError, toHex } from "@authledger/types";
import { decodeTupleCondition } from "../condition/tuple-condition.js";
import type { PositionedTuple, RelationTuple, TupleReader } from "../evaluate/tuple-reader.js";
import { refuse } from "./refuse.js";

/** A state as a verified proof shows it. */
export interface ProvenView {
  readonly state: ProvenTrie;
  /** The T of the answer, in milliseconds: what expires up to it is absent. */
  readonly timeMs: bigint;
}

/** Values that came beside a proof, by their digests: what a record does not commit to is never found. */
export class ProvenValues {
  readonly #byDigest = new Map<string, Uint8Array>();

  /** @param sent nonce16 || value each. @throws LedgerError PROOF_INVALID with reason "value" */
  constructor(hasher: Hasher, sent: readonly Uint8Array[]) {
    for (const bytes of sent) {
      if (bytes.length < NONCE_BYTES) throw refuse("value", "a value is shorter than its nonce");
      const value = bytes.subarray(NONCE_BYTES);
      const { digest } = commitToValue(hasher, bytes.subarray(0, NONCE_BYTES), value);
      this.#byDigest.set(toHex(digest), value);
    }
  }

  /** The value of a record that has one. @throws LedgerError PROOF_INSUFFICIENT */
  of({ key, value: committed }: LedgerRecord): Uint8Array {
    const value = committed && this.#byDigest.get(toHex(committed.digest));
    if (value !== undefined && value.length === committed?.length) return value;
    const message = `the value of ${key.partition} ${key.group} ${key.item} is not beside the proof`;
    throw new LedgerError("PROOF_INSUFFICIENT", message, { details: { reason: "value" } });
  }
}

export class ProvenReader implements TupleReader {
  readonly #view: ProvenView;
  readonly #values: ProvenValues;
  readonly #mayReadBySubject: boolean;

  /** @param reads "by-resource" for everything but lists of objects */
  constructor(view: ProvenView, values: ProvenValues, reads: "by-resource" | "both-ways") {
    this.#view = view;
    this.#values = values;
    this.#mayReadBySubject = reads === "both-ways";
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    const { state, timeMs } = this.#view;
    const key = tupleKey({ resource: object, relation, subject });
    const answer = askState(state, { kind: "get", key }, timeMs);
    return answer.kind === "present" ? this.#tupleOf(answer.record) : undefined;
  }

  *ofObject(object: string, relation: string): Generator<RelationTuple, void> {
    for (const record of this.#recordsOf(object, relation)) yield this.#tupleOf(record);
  }

  *usersetsOf(object: string, relation: string, type: string): Generator<RelationTuple, void> {
    for (const record of this.#recordsOf(object, relation)) {
      if (isUsersetOf(record.key.item, type)) yield this.#tupleOf(record);
    }
  }

  *ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Generator<PositionedTuple, void> {
    if (!this.#mayReadBySubject) {
      throw refuse("decision", "a check may not rest on tuples by subject, which decide nothing");
    }
    const { state, timeMs } = this.#view;
    const from = after && pathBehind(after);
    const list = { kind: Kind.tupleBySubject, partition: subject, group: relation, from };
    const isWanted = ({ key }: LedgerRecord): boolean => isOfType(key.item, type);
    for (const { record, path } of scanState(state, list, timeMs, isWanted)) {
      yield { ...this.#tupleOf(record), position: path };
    }
  }

  *#recordsOf(partition: string, group: string): Generator<LedgerRecord, void> {
    const { state, timeMs } = this.#view;
    const list = { kind: Kind.tupleByResource, partition, group };
    for (const { record } of scanState(state, list, timeMs)) yield record;
  }

  /** Only of tuples that are given out: of others no value is sent. */
  #tupleOf(record: LedgerRecord): RelationTuple {
    const { resource: object, relation, subject } = tupleOfKey(record.key);
    if (record.value === undefined) return { object, relation, subject };
    const condition = decodeTupleCondition(this.#values.of(record));
    return { object, relation, subject, condition };
  }
}

/** `group:eng` is of type `group`. */
function isOfType(name: string, type: string): boolean {
  return name.startsWith(type) && name[type.length] === ":";
}

/** `group:eng#member` is a userset of an object of type `group`. */
function isUsersetOf(subject: string, type: string): boolean {
  return isOfType(subject, type) && subject.includes("#");
}
