/**
 * The description of grpc/health/v1/health.proto as a FileDescriptorProto, for reflection. Written out by hand,
 * like the codec of these messages in `health.ts`: the file is not ours to generate from, and it never changes.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { ServingStatus } from "./health.js";

/** Field numbers of google/protobuf/descriptor.proto. */
const FILE = { name: 1, package: 2, message: 4, service: 6, syntax: 12 } as const;
const MESSAGE = { name: 1, field: 2, enum: 4 } as const;
const FIELD = { name: 1, number: 3, label: 4, type: 5, typeName: 6, jsonName: 10 } as const;
const ENUM = { name: 1, value: 2 } as const;
const ENUM_VALUE = { name: 1, number: 2 } as const;
const SERVICE = { name: 1, method: 2 } as const;
const METHOD = { name: 1, input: 2, output: 3, serverStreaming: 6 } as const;
const LABEL_OPTIONAL = 1;
const TYPE_STRING = 9;
const TYPE_ENUM = 14;

type Value = string | number | Uint8Array;

/** A message of these fields, in their order. */
function message(...fields: readonly (readonly [number, Value])[]): Uint8Array {
  const out = new BinaryWriter();
  for (const [number, value] of fields) {
    if (typeof value === "number") out.uint32(number << 3).int32(value);
    else if (typeof value === "string") out.uint32((number << 3) | 2).string(value);
    else out.uint32((number << 3) | 2).bytes(value);
  }
  return out.finish();
}

function field(name: string, type: number, typeName?: string): Uint8Array {
  return message(
    [FIELD.name, name],
    [FIELD.number, 1],
    [FIELD.label, LABEL_OPTIONAL],
    [FIELD.type, type],
    ...(typeName === undefined ? [] : [[FIELD.typeName, typeName] as const]),
    [FIELD.jsonName, name],
  );
}

function method(name: string, serverStreaming: boolean): Uint8Array {
  return message(
    [METHOD.name, name],
    [METHOD.input, ".grpc.health.v1.HealthCheckRequest"],
    [METHOD.output, ".grpc.health.v1.HealthCheckResponse"],
    ...(serverStreaming ? [[METHOD.serverStreaming, 1] as const] : []),
  );
}

const statusEnum = message(
  [ENUM.name, "ServingStatus"],
  ...Object.entries(ServingStatus).map(
    ([name, number]) =>
      [ENUM.value, message([ENUM_VALUE.name, name], [ENUM_VALUE.number, number])] as const,
  ),
);
const statusField = field("status", TYPE_ENUM, ".grpc.health.v1.HealthCheckResponse.ServingStatus");

/** The bytes of the file's descriptor. */
export const HEALTH_FILE: Uint8Array = message(
  [FILE.name, "grpc/health/v1/health.proto"],
  [FILE.package, "grpc.health.v1"],
  [
    FILE.message,
    message([MESSAGE.name, "HealthCheckRequest"], [MESSAGE.field, field("service", TYPE_STRING)]),
  ],
  [
    FILE.message,
    message(
      [MESSAGE.name, "HealthCheckResponse"],
      [MESSAGE.field, statusField],
      [MESSAGE.enum, statusEnum],
    ),
  ],
  [
    FILE.service,
    message(
      [SERVICE.name, "Health"],
      [SERVICE.method, method("Check", false)],
      [SERVICE.method, method("Watch", true)],
    ),
  ],
  [FILE.syntax, "proto3"],
);
