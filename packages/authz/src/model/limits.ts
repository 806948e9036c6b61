/** Limits of models, with their arithmetic. What is over one gets LIMIT_EXCEEDED, naming the thing. */
import { LedgerError } from "@authledger/types";

/** Text of a model in whatever language: what a record's body holds (docs/format/model.md). */
export const MODEL_TEXT_BYTES_MAX: number = 256 * 1024;
/** Types of a model. OpenFGA's default is 100. */
export const MODEL_TYPES_MAX: number = 500;
/** Relations of all types: reachability keeps a bit for each pair of a relation and a subject kind, 2 MB here. */
export const MODEL_RELATIONS_MAX: number = 4_000;
export const MODEL_CONDITIONS_MAX: number = 500;
/** Type restrictions of one relation. */
export const RELATION_RESTRICTIONS_MAX: number = 200;
/** Nodes of one relation's rewrite. */
export const REWRITE_NODES_MAX: number = 1_000;
/** Rewrites within rewrites: they are walked by recursion, and each is two levels of JSON in a record's body. */
export const REWRITE_DEPTH_MAX: number = 24;
/** Parameters of one condition. */
export const CONDITION_PARAMETERS_MAX: number = 100;
/** A condition's expression, in characters. OpenFGA's default is 512 bytes. */
export const EXPRESSION_CHARACTERS_MAX: number = 4_096;

/** @throws LedgerError LIMIT_EXCEEDED */
export function checkLimit(field: string, actual: number, limit: number): void {
  if (actual <= limit) return;
  throw new LedgerError("LIMIT_EXCEEDED", `${field}: ${actual}; the limit is ${limit}`, {
    details: { field, limit, actual },
  });
}
