/**
 * `google.rpc.Status` with its standard details, as it travels in the trailer `grpc-status-details-bin`: what
 * stock clients read (google/rpc/status.proto, error_details.proto). Written by hand over the wire format,
 * since these few messages are all we need of them.
 */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { ErrorDetails } from "./gen/authledger/v1/errors.js";

/** The trailer's name. */
export const STATUS_DETAILS_KEY = "grpc-status-details-bin";
const DOMAIN = "authledger.dev";
const TYPE = "type.googleapis.com/";
const OUR_DETAILS = "authledger.v1.ErrorDetails";

export interface RpcStatus {
  /** gRPC status code. */
  readonly code: number;
  readonly message: string;
  readonly details: ErrorDetails;
  /** Fields that were wrong, for google.rpc.BadRequest. */
  readonly violations: readonly { readonly field: string; readonly description: string }[];
}

export function encodeRpcStatus(status: RpcStatus): Uint8Array {
  const { details } = status;
  const out = new BinaryWriter().uint32(8).int32(status.code).uint32(18).string(status.message);
  any(out, "google.rpc.ErrorInfo", errorInfo(details));
  if (details.retryable) any(out, "google.rpc.RetryInfo", retryInfo(details.retryAfterMs));
  if (status.violations.length > 0) any(out, "google.rpc.BadRequest", badRequest(status));
  any(out, OUR_DETAILS, ErrorDetails.encode(details).finish());
  return out.finish();
}

/** Our own details of a status; undefined when another server made it. */
export function decodeErrorDetails(status: Uint8Array): ErrorDetails | undefined {
  const ours = statusDetails(status).find(({ type }) => type === OUR_DETAILS);
  return ours === undefined ? undefined : ErrorDetails.decode(ours.value);
}

/** One detail of a status, whatever it is. */
export interface StatusDetail {
  /** `google.rpc.RetryInfo`. */
  readonly type: string;
  readonly value: Uint8Array;
}

/** All details of a status. @throws Error when the bytes are no status */
export function statusDetails(status: Uint8Array): readonly StatusDetail[] {
  const details: StatusDetail[] = [];
  const input = new BinaryReader(status);
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field !== 3) {
      input.skip(type);
      continue;
    }
    const { url, value } = readAny(input.bytes());
    details.push({ type: url.slice(url.lastIndexOf("/") + 1), value });
  }
  return details;
}

/** Our own details, of one detail of a status; undefined when it is another one. @throws Error for bytes that are none */
export function errorDetailsIn({ type, value }: StatusDetail): ErrorDetails | undefined {
  return type === OUR_DETAILS ? ErrorDetails.decode(value) : undefined;
}

function any(out: BinaryWriter, name: string, value: Uint8Array): void {
  out.uint32(26).fork();
  out
    .uint32(10)
    .string(TYPE + name)
    .uint32(18)
    .bytes(value);
  out.join();
}

function readAny(bytes: Uint8Array): { url: string; value: Uint8Array } {
  const input = new BinaryReader(bytes);
  let url = "";
  let value: Uint8Array = new Uint8Array(0);
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 1) url = input.string();
    else if (field === 2) value = input.bytes();
    else input.skip(type);
  }
  return { url, value };
}

function errorInfo({ code, context }: ErrorDetails): Uint8Array {
  const out = new BinaryWriter().uint32(10).string(code).uint32(18).string(DOMAIN);
  for (const [key, value] of Object.entries(context)) {
    out.uint32(26).fork();
    out.uint32(10).string(key).uint32(18).string(String(value));
    out.join();
  }
  return out.finish();
}

function retryInfo(retryAfterMs: bigint): Uint8Array {
  const out = new BinaryWriter().uint32(10).fork();
  out.uint32(8).int64(retryAfterMs / 1000n);
  out.uint32(16).int32(Number(retryAfterMs % 1000n) * 1_000_000);
  return out.join().finish();
}

function badRequest({ violations }: RpcStatus): Uint8Array {
  const out = new BinaryWriter();
  for (const { field, description } of violations) {
    out.uint32(10).fork();
    out.uint32(10).string(field).uint32(18).string(description);
    out.join();
  }
  return out.finish();
}
