/** A vault's state in memory with a real trie: tuples (both directions), models' records, and proofs of them. */
import { createHash } from "node:crypto";
import {
  BuiltTrie,
  commitToValue,
  decodeStateProof,
  encodeRecord,
  encodeStateProof,
  type LedgerKey,
  ledgerRecordKey,
  PathHasher,
  type ProofQuestions,
  type ProvenTrie,
  type StoredRecord,
  tupleBySubjectKey,
  tupleKey,
  vaultRef,
} from "@authledger/proof";
import { compareBytes, concatBytes, type Hasher, type Tuple } from "@authledger/types";
import {
  decodeTupleCondition,
  type PositionedTuple,
  type RelationTuple,
  type TupleReader,
} from "../../src/index.js";

/** SHA-256 of node:crypto: tests hash much. */
export const hasher: Hasher = {
  sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),
  sha256Into: (data, out, offset) => out.set(createHash("sha256").update(data).digest(), offset),
};

export interface CommittedTuple {
  readonly tuple: Tuple;
  readonly expiresAtMs?: number;
  /** The stored value: a condition. */
  readonly value?: Uint8Array;
  /** Leave out one direction, as no honest ledger does. */
  readonly only?: "by-resource" | "by-subject";
}

/** The time that questions are judged by, unless a test says otherwise. */
export const NOW_MS = 1_700_000_000_000;

export class CommittedState {
  readonly salt: Uint8Array;
  readonly paths: PathHasher;
  readonly reference: Uint8Array;
  readonly #records: Uint8Array[] = [];
  /** nonce16 || value by key. */
  readonly #values = new Map<string, Uint8Array>();
  readonly tuples: CommittedTuple[] = [];
  #trie: BuiltTrie | undefined;

  constructor(saltByte = 9) {
    this.salt = new Uint8Array(32).fill(saltByte);
    this.paths = new PathHasher(hasher, this.salt);
    this.reference = vaultRef(hasher, "ledger.test/decisions", this.salt);
  }

  get trie(): BuiltTrie {
    this.#trie ??= BuiltTrie.fromRecords(hasher, this.salt, this.#records);
    return this.#trie;
  }

  get root(): Uint8Array {
    return this.trie.root(this.reference);
  }

  addTuple(added: CommittedTuple): void {
    const { tuple, expiresAtMs = 0, value, only } = added;
    this.tuples.push(added);
    const keys = [tupleKey(tuple), tupleBySubjectKey(tuple)];
    if (only === "by-resource") keys.pop();
    if (only === "by-subject") keys.shift();
    this.#add(keys, expiresAtMs, value);
  }

  setRecord(partition: "ledger" | "model", group: string, item: string, value: Uint8Array): void {
    this.#add([ledgerRecordKey(partition, group, item)], 0, value);
  }

  #add(keys: readonly LedgerKey[], expiresAtMs: number, value: Uint8Array | undefined): void {
    const nonce = new Uint8Array(16);
    new DataView(nonce.buffer).setUint32(0, this.#records.length);
    const record: StoredRecord = {
      version: 1n,
      expiresAtMs: BigInt(expiresAtMs),
      value: value && commitToValue(hasher, nonce, value),
    };
    for (const key of keys) {
      this.#records.push(encodeRecord(key, record));
      if (value !== undefined) {
        this.#values.set(this.paths.path(key).join(), concatBytes(nonce, value));
      }
    }
    this.#trie = undefined;
  }

  /** nonce16 || value, where the record of a key has one. */
  value(key: LedgerKey): Uint8Array | undefined {
    return this.#values.get(this.paths.path(key).join());
  }

  prove(questions: Partial<ProofQuestions>): Uint8Array {
    return encodeStateProof(this.trie, this.paths, { gets: [], lists: [], ...questions });
  }

  /** What a proof of this state shows. */
  shown(proof: Uint8Array): ProvenTrie {
    return decodeStateProof(proof, { hasher, salt: this.salt, vaultRef: this.reference });
  }
}

/**
 * The tuples of a state as a server reads them: those that are alive, in the order of their paths. Made from the tuples
 * themselves, so that it owes nothing to proofs.
 */
export class CommittedReader implements TupleReader {
  readonly #paths: PathHasher;
  readonly #tuples = new Map<string, RelationTuple>();
  readonly #byObject = new Map<string, RelationTuple[]>();
  readonly #bySubject = new Map<string, PositionedTuple[]>();

  constructor(state: CommittedState, timeMs: number = NOW_MS) {
    this.#paths = state.paths;
    for (const { tuple, expiresAtMs = 0, value } of state.tuples) {
      if (expiresAtMs > 0 && expiresAtMs <= timeMs) continue;
      const { resource: object, relation, subject } = tuple;
      const condition = value && decodeTupleCondition(value);
      const live = { object, relation, subject, ...(condition && { condition }) };
      const position = this.#paths.path(tupleBySubjectKey(tuple));
      this.#tuples.set(idOf(object, relation, subject), live);
      push(this.#byObject, idOf(object, relation), live);
      push(this.#bySubject, idOf(subject, relation), { ...live, position });
    }
    const place = ({ object: resource, relation, subject }: RelationTuple): Uint8Array =>
      this.#paths.path(tupleKey({ resource, relation, subject }));
    for (const list of this.#byObject.values()) sortBy(list, place);
    for (const list of this.#bySubject.values()) sortBy(list, ({ position }) => position);
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    return this.#tuples.get(idOf(object, relation, subject));
  }

  ofObject(object: string, relation: string): readonly RelationTuple[] {
    return this.#byObject.get(idOf(object, relation)) ?? [];
  }

  usersetsOf(object: string, relation: string, type: string): readonly RelationTuple[] {
    return this.ofObject(object, relation).filter(
      ({ subject }) => subject.startsWith(`${type}:`) && subject.includes("#"),
    );
  }

  ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): readonly PositionedTuple[] {
    const all = this.#bySubject.get(idOf(subject, relation)) ?? [];
    return all.filter(
      ({ object, position }) =>
        object.startsWith(`${type}:`) && (after === undefined || compareBytes(position, after) > 0),
    );
  }
}

function push<T>(lists: Map<string, T[]>, id: string, item: T): void {
  const list = lists.get(id);
  if (list === undefined) lists.set(id, [item]);
  else list.push(item);
}

function sortBy<T>(list: T[], placeOf: (item: T) => Uint8Array): void {
  const placed = list.map((item) => ({ item, place: placeOf(item) }));
  placed.sort((a, b) => compareBytes(a.place, b.place));
  placed.forEach(({ item }, i) => {
    list[i] = item;
  });
}

function idOf(...parts: readonly string[]): string {
  return JSON.stringify(parts);
}
