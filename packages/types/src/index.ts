/** Ids, errors, limits, grammar and byte codecs that every layer shares. Runs in a browser. */
export { type Address, joinAddress, splitAddress } from "./address.js";
export { AssertionError, assert, assertNever, enableCostlyChecks, verify } from "./assert.js";
export type {
  Brand,
  GroupId,
  Height,
  InternalIdKind,
  LogIndex,
  NodeId,
  OrganizationId,
  OrganizationSlug,
  Term,
  UserId,
  VaultId,
  VaultSlug,
} from "./brand.js";
export {
  formatInternalId,
  groupId,
  height,
  logIndex,
  nodeId,
  organizationId,
  organizationSlug,
  parseInternalId,
  parseSlug,
  SYSTEM_SLUG,
  term,
  userId,
  vaultId,
  vaultSlug,
} from "./brand.js";
export { ByteReader } from "./byte-reader.js";
export { ByteWriter } from "./byte-writer.js";
export {
  compareBytes,
  concatBytes,
  constantTimeEqual,
  decodeUtf8,
  equalBytes,
  fromHex,
  toHex,
  utf8,
  utf8Length,
} from "./bytes.js";
export type { Consistency, ReadPoint } from "./consistency.js";
export { type EntityKeyParts, splitEntityKey, validateEntityKey } from "./entity-key.js";
export { ERROR_DETAILS } from "./error-details.js";
export { ERROR_TABLE, type ErrorCode, errorFamily, isErrorCode } from "./error-table.js";
export {
  type ErrorFamily,
  type ErrorRow,
  ExitCode,
  GrpcStatus,
  type Retry,
} from "./errors/error-row.js";
export { HASH_BYTES, type Hasher } from "./hasher.js";
export {
  type AnyLayout,
  defineLayout,
  describeLayout,
  type Field,
  type FieldPosition,
  type FieldType,
  type Layout,
  type LayoutValue,
  layoutTable,
} from "./layout.js";
export {
  type ErrorDetails,
  LedgerError,
  type LedgerErrorOptions,
  type RetryAdvice,
} from "./ledger-error.js";
export * as limits from "./limits.js";
export { validateFreeText, validateLabel, validateName } from "./names.js";
export {
  type Operation,
  OperationStatus,
  type SetCondition,
  type TransactionRequest,
} from "./operation.js";
export {
  INCARNATION_MAX,
  incarnationOf,
  incarnationOrigin,
  validateOrigin,
  vaultOrigin,
  versionAt,
} from "./origin.js";
export {
  extractSequence,
  extractTimestamp,
  SNOWFLAKE_EPOCH_MS,
  SnowflakeGenerator,
} from "./snowflake.js";
export { suggestion } from "./suggestion.js";
export { measurePrintable, type PrintableMeasure } from "./text.js";
export {
  formatTuple,
  parseTuple,
  type Tuple,
  validateRelation,
  validateResource,
  validateSubject,
  validateTuple,
  validateType,
} from "./tuple.js";
