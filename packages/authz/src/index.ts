/** Authorization models and their evaluation: pure, for servers and for clients that verify. */
export { canonicalJson } from "./canonical-json.js";
export { compileCondition } from "./condition/compile-condition.js";
export * from "./condition/context.js";
export { decodeTupleCondition, encodeTupleCondition } from "./condition/tuple-condition.js";
export { check, listRelations } from "./evaluate/check.js";
export * from "./evaluate/decision.js";
export { MapTupleReader } from "./evaluate/map-tuple-reader.js";
export { OverlayReader } from "./evaluate/overlay-reader.js";
export { CONTEXTUAL_TUPLES_MAX, validateAgainstModel } from "./evaluate/resolve-question.js";
export type { PositionedTuple, RelationTuple, TupleReader } from "./evaluate/tuple-reader.js";
export { compileModel } from "./model/compile.js";
export * from "./model/compiled-model.js";
export * from "./model/model.js";
export { formatProblem, type ModelProblem } from "./model/model-problem.js";
export * from "./proven/evidence.js";
export * from "./records.js";
