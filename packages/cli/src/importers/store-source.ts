/** The tuples of a store (OpenFGA's `store.fga.yaml`, SpiceDB's validation files) as a source of operations. */
import { encodeTupleCondition, type RelationTuple } from "@authledger/authz";
import { LedgerError, validateTuple } from "@authledger/types";
import type { Store } from "../stores/store.js";
import { type ImportSource, rejected, type SourceItem } from "./import-source.js";

export function storeSource({ tuples }: Store, path: string): ImportSource {
  return {
    name: path,
    identity: `store:${path}`,
    estimate: async () => tuples.length,
    async *items() {
      if (tuples.length > 0) yield tuples.map(itemOf);
    },
  };
}

function itemOf({ object, relation, subject, condition }: RelationTuple, i: number): SourceItem {
  const position = `tuple ${i + 1}`;
  const tuple = { resource: object, relation, subject };
  try {
    validateTuple(tuple);
    const value = condition && encodeTupleCondition(condition);
    const operation = {
      op: "create_tuple" as const,
      tuple,
      expiresAtMs: 0,
      ...(value && { value }),
    };
    return { kind: "operation", position, operation };
  } catch (thrown) {
    return rejected(position, LedgerError.from(thrown).message);
  }
}
