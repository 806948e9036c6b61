/** Generated messages and services of `authledger.v1`, and the standard services around them. */
export * as admin from "./gen/authledger/v1/admin.js";
export * as authorization from "./gen/authledger/v1/authorization.js";
export * as cluster from "./gen/authledger/v1/cluster.js";
export * as common from "./gen/authledger/v1/common.js";
export * as errors from "./gen/authledger/v1/errors.js";
export * as iam from "./gen/authledger/v1/iam.js";
export * as model from "./gen/authledger/v1/model.js";
export * as peer from "./gen/authledger/v1/peer.js";
export * as read from "./gen/authledger/v1/read.js";
export * as write from "./gen/authledger/v1/write.js";
export {
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthService,
  ServingStatus,
} from "./health.js";
export { JsonCodec, type MethodJson } from "./json-codec.js";
export {
  API_VERSION_KEY,
  FORWARDED_KEY,
  IDENTITY_KEY,
  LEADER_KEY,
  SDK_KEY,
} from "./metadata-keys.js";
export {
  Reflection,
  type ReflectionQuestion,
  type ReflectionRequest,
  ReflectionV1,
  ReflectionV1Alpha,
} from "./reflection.js";
export {
  decodeErrorDetails,
  encodeRpcStatus,
  errorDetailsIn,
  type RpcStatus,
  STATUS_DETAILS_KEY,
  type StatusDetail,
  statusDetails,
} from "./rpc-status.js";
export { decodeStrictly } from "./strict-decode.js";
