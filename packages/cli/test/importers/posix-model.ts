/** The model of the Unix permission rules over imported tuples, as the tests ask it. */
import { check, compileModel, MapTupleReader } from "@authledger/authz";
import { parseOpenFga } from "@authledger/authz/language";
import type { Tuple } from "@authledger/types";
import { POSIX_MODEL } from "../../src/importers/posix/posix-model.js";

const compiled = compileModel(parseOpenFga(POSIX_MODEL));

export type Decide = (user: string, relation: string, resource: string) => boolean;

export function modelOver(tuples: readonly Tuple[]): Decide {
  const reader = new MapTupleReader(
    tuples.map(({ resource, relation, subject }) => ({ object: resource, relation, subject })),
  );
  return (subject, relation, object) =>
    check({ model: compiled, tuples: reader }, { object, relation, subject }).allowed;
}
