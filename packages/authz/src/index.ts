/** Authorization models and their evaluation: pure, for servers and for clients that verify. */
export { canonicalJson } from "./canonical-json.js";
export { compileCondition } from "./condition/compile-condition.js";
export type {
  CompiledCondition,
  ConditionContext,
  ConditionOutcome,
  JsonValue,
  TupleCondition,
} from "./condition/context.js";
export { decodeTupleCondition, encodeTupleCondition } from "./condition/tuple-condition.js";
export { check, listRelations } from "./evaluate/check.js";
export {
  type CheckAnswer,
  type CheckQuestion,
  DEFAULT_LIMITS,
  type EvaluationLimits,
  type ExpandAnswer,
  type ExpandQuestion,
  type ExplainAnswer,
  type ExplainedTuple,
  type Explanation,
  type ListObjectsAnswer,
  type ListObjectsQuestion,
  type ListRelationsAnswer,
  type ListRelationsQuestion,
  type ListUsersAnswer,
  type ListUsersQuestion,
  type UsersetLeaf,
  type UsersetTree,
  type World,
} from "./evaluate/decision.js";
export { expand } from "./evaluate/expand.js";
export { EXPLANATION_PARTS_MAX, explain } from "./evaluate/explain.js";
export { listObjects } from "./evaluate/list-objects.js";
export { listUsers, USER_FILTERS_MAX } from "./evaluate/list-users.js";
export { MapTupleReader } from "./evaluate/map-tuple-reader.js";
export { OverlayReader } from "./evaluate/overlay-reader.js";
export { CONTEXTUAL_TUPLES_MAX, validateAgainstModel } from "./evaluate/resolve-question.js";
export type { PositionedTuple, RelationTuple, TupleReader } from "./evaluate/tuple-reader.js";
export { aboutModel } from "./life/about-model.js";
export { requireAssertions, type Trial } from "./life/assertions.js";
export { type ChangedAnswer, type DryRun, dryRun, type SampledTuple } from "./life/dry-run.js";
export { DRY_RUN_CHECKS_MAX } from "./life/dry-run-limits.js";
export { requireAllowed } from "./life/tuple-rules.js";
export { compileModel } from "./model/compile.js";
export type {
  CompiledModel,
  CompiledRelation,
  CompiledRewrite,
  ReverseEdge,
} from "./model/compiled-model.js";
export { diffModels, type ModelChange } from "./model/diff-models.js";
export type {
  AuthorizationModel,
  ConditionDefinition,
  ParameterType,
  RelationDefinition,
  Rewrite,
  TypeDefinition,
  TypeRestriction,
} from "./model/model.js";
export { formatProblem, type ModelProblem } from "./model/model-problem.js";
export { type Decided, decide } from "./proven/decide.js";
export {
  type DecisionFile,
  EVALUATOR_REVISION,
  formatDecisionFile,
  parseDecisionFile,
} from "./proven/decision-file.js";
export { EVIDENCE_READS_MAX, EvidenceRecorder } from "./proven/evidence.js";
export { ModelCache, type SentModel } from "./proven/proven-model.js";
export type { ProvenView } from "./proven/proven-reader.js";
export type {
  AnswerTo,
  ChecksAnswer,
  ChecksQuestion,
  DecisionAnswer,
  DecisionQuestion,
  ObjectsAnswer,
  ObjectsQuestion,
  UsersAnswer,
  UsersQuestion,
} from "./proven/question.js";
export {
  type ReplayedDecision,
  replayDecision,
  type SentDecision,
  type VerifierDeps,
  verifyDecision,
} from "./proven/verify-decision.js";
export {
  ACTIVE_MODEL_KEY,
  type ActiveModel,
  decodeActiveModel,
  decodeAssertions,
  decodeModelAbout,
  decodeModelBody,
  encodeActiveModel,
  encodeAssertions,
  encodeModelAbout,
  encodeModelBody,
  MODEL_BODY_BYTES_MAX,
  MODEL_VERSIONS_MAX,
  type ModelAbout,
  type ModelAssertion,
  type ModelBody,
  type ModelFile,
  type ModelLanguage,
  type ModelRecordName,
  modelAboutKey,
  modelAssertionsKey,
  modelBodyKey,
  ROLLBACKS_MAX,
} from "./records.js";
