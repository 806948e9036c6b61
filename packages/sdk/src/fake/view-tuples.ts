/** Tuples of a view, as the evaluator reads them: lists in the order of their paths, as a node has them and a proof shows them. */
import {
  decodeTupleCondition,
  type PositionedTuple,
  type RelationTuple,
  type TupleReader,
} from "@authledger/authz";
import { isLive, Kind, tupleKey, tupleOfKey } from "@authledger/proof";
import { height } from "@authledger/types";
import type { Found } from "./vault.js";
import type { View } from "./view.js";

type Direction = typeof Kind.tupleByResource | typeof Kind.tupleBySubject;

export class ViewTuples implements TupleReader {
  readonly #view: View;
  /** By direction, resource or subject, and relation; made when a list is first asked for. */
  #lists: Map<string, Found[]> | undefined;

  constructor(view: View) {
    this.#view = view;
  }

  find(object: string, relation: string, subject: string): RelationTuple | undefined {
    const found = this.#view.get(tupleKey({ resource: object, relation, subject }));
    if (found === undefined || !isLive(found.record, this.#view.timeMs)) return undefined;
    const { record, value } = found;
    const condition = value && decodeTupleCondition(value.value);
    const at = height(Number(record.version));
    return { object, relation, subject, height: at, ...(condition && { condition }) };
  }

  *ofObject(object: string, relation: string): Iterable<RelationTuple> {
    for (const { tuple } of this.#list(Kind.tupleByResource, object, relation)) yield tuple;
  }

  *usersetsOf(object: string, relation: string, type: string): Iterable<RelationTuple> {
    for (const tuple of this.ofObject(object, relation)) {
      const { subject } = tuple;
      if (subject.startsWith(`${type}:`) && subject.includes("#")) yield tuple;
    }
  }

  *ofSubject(
    subject: string,
    relation: string,
    type: string,
    after?: Uint8Array,
  ): Iterable<PositionedTuple> {
    for (const { path, tuple } of this.#list(Kind.tupleBySubject, subject, relation)) {
      const isBehind = after === undefined || Buffer.compare(path, after) > 0;
      if (isBehind && tuple.object.startsWith(`${type}:`)) yield { ...tuple, position: path };
    }
  }

  /** All that are live, by resource. */
  *all(): Generator<RelationTuple> {
    for (const { key } of this.#view.records(({ kind }) => kind === Kind.tupleByResource)) {
      const { resource, relation, subject } = tupleOfKey(key);
      const tuple = this.find(resource, relation, subject);
      if (tuple !== undefined) yield tuple;
    }
  }

  *#list(
    kind: Direction,
    partition: string,
    relation: string,
  ): Generator<{ readonly path: Uint8Array; readonly tuple: RelationTuple }> {
    this.#lists ??= listsOf(this.#view);
    for (const { key, path } of this.#lists.get(idOf(kind, partition, relation)) ?? []) {
      const { resource, subject } = tupleOfKey(key);
      const tuple = this.find(resource, relation, subject);
      if (tuple !== undefined) yield { path, tuple };
    }
  }
}

function listsOf(view: View): Map<string, Found[]> {
  const lists = new Map<string, Found[]>();
  const isTuple = (kind: number): boolean =>
    kind === Kind.tupleByResource || kind === Kind.tupleBySubject;
  for (const found of view.records(({ kind }) => isTuple(kind))) {
    const { kind, partition, group } = found.key;
    const id = idOf(kind, partition, group);
    const list = lists.get(id) ?? [];
    list.push(found);
    lists.set(id, list);
  }
  return lists;
}

/** None of the parts holds a space. */
function idOf(kind: number, partition: string, relation: string): string {
  return `${kind} ${relation} ${partition}`;
}
