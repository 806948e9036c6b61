/**
 * The standard reflection service, grpc.reflection.v1 and v1alpha, over buf's descriptor set (the npm package
 * for it loses imports of files that lie in several packages).
 */
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import type { MethodDefinition } from "@grpc/grpc-js";
import { FILE_DESCRIPTOR_SET_BASE64 } from "./gen/descriptor-set.js";
import { HEALTH_FILE } from "./health-descriptor.js";

export type ReflectionQuestion =
  | { readonly kind: "file"; readonly name: string }
  | { readonly kind: "symbol"; readonly name: string }
  | { readonly kind: "services" }
  | { readonly kind: "other" };

export interface ReflectionRequest {
  readonly question: ReflectionQuestion;
  /** The request's bytes, which the response repeats. */
  readonly raw: Uint8Array;
}

interface DescribedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
}

/** gRPC status NOT_FOUND and UNIMPLEMENTED, as error responses carry them. */
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

/** What the descriptor set and the health service's description say, indexed. */
export class Reflection {
  readonly #files = new Map<string, DescribedFile>();
  /** The file that declares a symbol. */
  readonly #symbols = new Map<string, string>();
  readonly services: string[] = [];

  constructor(descriptorSet: Uint8Array = Buffer.from(FILE_DESCRIPTOR_SET_BASE64, "base64")) {
    const input = new BinaryReader(descriptorSet);
    while (input.pos < input.len) {
      const [field, type] = input.tag();
      if (field === 1) this.#addFile(input.bytes());
      else input.skip(type);
    }
    this.#addFile(HEALTH_FILE);
  }

  /** The bytes of a ServerReflectionResponse. */
  answer({ question, raw }: ReflectionRequest): Uint8Array {
    const out = new BinaryWriter().uint32(18).bytes(raw);
    switch (question.kind) {
      case "services":
        out.uint32(50).fork();
        for (const name of this.services) {
          out.uint32(10).fork();
          out.uint32(10).string(name);
          out.join();
        }
        return out.join().finish();
      case "file":
        return this.#writeFile(out, question.name, question.name);
      case "symbol":
        return this.#writeFile(out, this.#symbols.get(question.name), question.name);
      case "other":
        return writeError(out, UNIMPLEMENTED, "extensions are not used").finish();
    }
  }

  /** A file with everything it imports. */
  #writeFile(out: BinaryWriter, name: string | undefined, asked: string): Uint8Array {
    const files = new Map<string, DescribedFile>();
    if (name !== undefined) this.#collect(name, files);
    if (files.size === 0) return writeError(out, NOT_FOUND, `${asked} is not described`).finish();
    out.uint32(34).fork();
    for (const { bytes } of files.values()) out.uint32(10).bytes(bytes);
    return out.join().finish();
  }

  #collect(name: string, into: Map<string, DescribedFile>): void {
    const file = this.#files.get(name);
    if (file === undefined || into.has(name)) return;
    into.set(name, file);
    for (const dependency of file.dependencies) this.#collect(dependency, into);
  }

  #addFile(bytes: Uint8Array): void {
    const input = new BinaryReader(bytes);
    let name = "";
    let packageName = "";
    const dependencies: string[] = [];
    const symbols: string[] = [];
    const services: { readonly name: string; readonly methods: readonly string[] }[] = [];
    while (input.pos < input.len) {
      const [field, type] = input.tag();
      if (field === 1) name = input.string();
      else if (field === 2) packageName = input.string();
      else if (field === 3) dependencies.push(input.string());
      else if (field === 4) symbols.push(...messagesOf(input.bytes()));
      else if (field === 5) symbols.push(nameOf(input.bytes()));
      else if (field === 6) services.push(serviceOf(input.bytes()));
      else input.skip(type);
    }
    this.#files.set(name, { name, bytes, dependencies });
    for (const symbol of symbols) this.#symbols.set(`${packageName}.${symbol}`, name);
    for (const service of services) {
      const full = `${packageName}.${service.name}`;
      this.services.push(full);
      this.#symbols.set(full, name);
      for (const method of service.methods) this.#symbols.set(`${full}.${method}`, name);
    }
  }
}

/** A message's name and those of the messages (field 3) and enums (field 4) inside it. */
function messagesOf(bytes: Uint8Array): string[] {
  const input = new BinaryReader(bytes);
  let name = "";
  const inner: string[] = [];
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 1) name = input.string();
    else if (field === 3) inner.push(...messagesOf(input.bytes()));
    else if (field === 4) inner.push(nameOf(input.bytes()));
    else input.skip(type);
  }
  return [name, ...inner.map((symbol) => `${name}.${symbol}`)];
}

function nameOf(bytes: Uint8Array): string {
  const input = new BinaryReader(bytes);
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 1) return input.string();
    input.skip(type);
  }
  return "";
}

function serviceOf(bytes: Uint8Array): { name: string; methods: string[] } {
  const input = new BinaryReader(bytes);
  let name = "";
  const methods: string[] = [];
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 1) name = input.string();
    else if (field === 2) methods.push(nameOf(input.bytes()));
    else input.skip(type);
  }
  return { name, methods };
}

function writeError(out: BinaryWriter, code: number, message: string): BinaryWriter {
  out.uint32(58).fork();
  out.uint32(8).int32(code).uint32(18).string(message);
  return out.join();
}

function decodeRequest(raw: Uint8Array): ReflectionRequest {
  const input = new BinaryReader(raw);
  let question: ReflectionQuestion = { kind: "other" };
  while (input.pos < input.len) {
    const [field, type] = input.tag();
    if (field === 3) question = { kind: "file", name: input.string() };
    else if (field === 4) question = { kind: "symbol", name: input.string() };
    else if (field === 7) {
      input.string();
      question = { kind: "services" };
    } else input.skip(type);
  }
  return { question, raw };
}

type ReflectionMethod = MethodDefinition<ReflectionRequest, Uint8Array>;

function method(version: string): ReflectionMethod {
  return {
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    requestStream: true,
    responseStream: true,
    requestSerialize: ({ raw }) => Buffer.from(raw),
    requestDeserialize: decodeRequest,
    responseSerialize: (bytes) => Buffer.from(bytes),
    responseDeserialize: (bytes) => bytes,
  };
}

/** Definitions of both versions, which differ in their names only. */
export const ReflectionV1: { readonly serverReflectionInfo: ReflectionMethod } = {
  serverReflectionInfo: method("v1"),
};
export const ReflectionV1Alpha: { readonly serverReflectionInfo: ReflectionMethod } = {
  serverReflectionInfo: method("v1alpha"),
};
