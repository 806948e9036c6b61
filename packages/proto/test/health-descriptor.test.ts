/** The hand-written description of the health service, read by a library that knows descriptors. */
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { HEALTH_FILE } from "../src/health-descriptor.js";
import { HealthService, ServingStatus } from "../src/index.js";

describe("the description of grpc.health.v1", () => {
  const file = fromBinary(FileDescriptorProtoSchema, HEALTH_FILE);
  const registry = createFileRegistry(file, () => undefined);

  it("says what the service's definition says", () => {
    const service = registry.getService("grpc.health.v1.Health")!;
    const methods = service.methods.map(({ name, methodKind, input, output }) => [
      `/${service.typeName}/${name}`,
      methodKind === "server_streaming",
      input.typeName,
      output.typeName,
    ]);
    const messages = ["grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse"];
    expect(methods).toEqual(
      [HealthService.check, HealthService.watch].map(({ path, responseStream }) => [
        path,
        responseStream,
        ...messages,
      ]),
    );
  });

  it("has the fields and the statuses of the standard", () => {
    const [request, response] = ["Request", "Response"].map(
      (end) => registry.getMessage(`grpc.health.v1.HealthCheck${end}`)!,
    );
    expect(request!.fields.map(({ name, number }) => [name, number])).toEqual([["service", 1]]);
    expect(response!.fields.map(({ name, number }) => [name, number])).toEqual([["status", 1]]);
    const [statuses] = response!.nestedEnums;
    expect(Object.fromEntries(statuses!.values.map(({ name, number }) => [name, number]))).toEqual(
      ServingStatus,
    );
  });
});
