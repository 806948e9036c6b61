/**
 * Messages as JSON, by the mapping of proto3 (protobuf.dev/programming-guides/json): 64-bit numbers as decimal strings,
 * bytes in base64, names in camel case. A request in JSON becomes the bytes of its message and is then decoded as
 * strictly as those of any other client.
 */
import {
  createFileRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { asBuffer } from "./as-buffer.js";
import { FILE_DESCRIPTOR_SET_BASE64 } from "./gen/descriptor-set.js";

/** Deeper texts are refused before anything walks them. */
const DEPTH_MAX = 100;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

type Json = Parameters<typeof fromJson>[1];

/** The request and the answer of one method. */
export class MethodJson {
  readonly #input: DescMessage;
  readonly #output: DescMessage;

  constructor(input: DescMessage, output: DescMessage) {
    this.#input = input;
    this.#output = output;
  }

  /**
   * The bytes of a request.
   * @throws Error naming the field that is no JSON of it; fields that the message does not have are refused
   */
  request(text: Uint8Array): Buffer {
    const json = JSON.parse(strictUtf8.decode(text)) as Json;
    requireExact(json, 0);
    return asBuffer(toBinary(this.#input, fromJson(this.#input, json)));
  }

  /** The answer, with fields that are 0, false or empty too: `{"allowed":false}` says more than `{}`. */
  answer(bytes: Uint8Array): string {
    const message = fromBinary(this.#output, bytes);
    return JSON.stringify(toJson(this.#output, message, { alwaysEmitImplicit: true }));
  }
}

/** JSON rounds whole numbers above 2^53 before anybody sees them: a rounded slug is another vault. */
function requireExact(json: Json, depth: number): void {
  if (depth > DEPTH_MAX) throw new Error(`the JSON is deeper than ${DEPTH_MAX}`);
  if (typeof json === "number" && Number.isInteger(json) && !Number.isSafeInteger(json)) {
    throw new Error(`the number ${json} is not exact in JSON: write it as a string of digits`);
  }
  if (typeof json !== "object" || json === null) return;
  for (const value of Object.values(json)) requireExact(value as Json, depth + 1);
}

/** By path, such as `/authledger.v1.ReadService/Check`. */
export class JsonCodec {
  readonly #methods = new Map<string, MethodJson>();

  constructor(descriptorSet: Uint8Array = Buffer.from(FILE_DESCRIPTOR_SET_BASE64, "base64")) {
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
    for (const file of registry.files) {
      for (const service of file.services) {
        for (const { name, input, output } of service.methods) {
          this.#methods.set(`/${service.typeName}/${name}`, new MethodJson(input, output));
        }
      }
    }
  }

  method(path: string): MethodJson | undefined {
    return this.#methods.get(path);
  }
}
