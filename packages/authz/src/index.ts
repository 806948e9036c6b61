/** Authorization models and their evaluation: pure, for servers and for clients that verify. */
export { canonicalJson } from "./canonical-json.js";
export * from "./condition/context.js";
export * from "./evaluate/decision.js";
export { MapTupleReader } from "./evaluate/map-tuple-reader.js";
export { OverlayReader } from "./evaluate/overlay-reader.js";
export type { PositionedTuple, RelationTuple, TupleReader } from "./evaluate/tuple-reader.js";
export * from "./model/compiled-model.js";
export * from "./model/model.js";
export * from "./proven/evidence.js";
export * from "./records.js";
