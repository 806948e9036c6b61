/** The standard health service, grpc.health.v1 (grpc/proto/health/v1/health.proto). */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { MethodDefinition } from "@grpc/grpc-js";

export const ServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
} as const;
export type ServingStatus = (typeof ServingStatus)[keyof typeof ServingStatus];

export interface HealthCheckRequest {
  readonly service: string;
}

export interface HealthCheckResponse {
  readonly status: ServingStatus;
}

function encodeRequest({ service }: HealthCheckRequest): Buffer {
  return Buffer.from(new BinaryWriter().uint32(10).string(service).finish());
}

function decodeRequest(bytes: Uint8Array): HealthCheckRequest {
  const input = new BinaryReader(bytes);
  let service = "";
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 1) service = input.string();
    else input.skip(type);
  }
  return { service };
}

function encodeResponse({ status }: HealthCheckResponse): Buffer {
  return Buffer.from(new BinaryWriter().uint32(8).int32(status).finish());
}

function decodeResponse(bytes: Uint8Array): HealthCheckResponse {
  const input = new BinaryReader(bytes);
  let status = 0;
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 1) status = input.int32();
    else input.skip(type);
  }
  return { status: status as ServingStatus };
}

const codec = {
  requestSerialize: encodeRequest,
  requestDeserialize: decodeRequest,
  responseSerialize: encodeResponse,
  responseDeserialize: decodeResponse,
  requestStream: false,
} as const;

type HealthMethod = MethodDefinition<HealthCheckRequest, HealthCheckResponse>;

/** The definition that servers and clients share. */
export const HealthService: { readonly check: HealthMethod; readonly watch: HealthMethod } = {
  check: { ...codec, path: "/grpc.health.v1.Health/Check", responseStream: false },
  watch: { ...codec, path: "/grpc.health.v1.Health/Watch", responseStream: true },
};
