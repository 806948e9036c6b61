// @ts-check
/**
 * Requests of every method, made of the descriptors that reflection serves: mostly right, and wrong where they are wrong
 * in a way that a broken or hostile client would be (other wire types, doubled and unknown fields, numbers of every size,
 * nesting, text that is none, ends that are missing).
 */
import { createRequire } from "node:module";
import { product, utf8 } from "../lib/product.mjs";

const fromProto = createRequire(new URL("../../packages/proto/package.json", import.meta.url));
const { create, createFileRegistry, fromBinary } = fromProto("@bufbuild/protobuf");
const { FieldDescriptorProtoSchema, FileDescriptorProtoSchema, FileDescriptorSetSchema } =
  fromProto("@bufbuild/protobuf/wkt");
const { BinaryWriter } = fromProto("@bufbuild/protobuf/wire");
const { HEALTH_FILE } = await product("proto", "health-descriptor.js");
const { FILE_DESCRIPTOR_SET_BASE64 } = await product("proto", "gen/descriptor-set.js");

/** Messages in messages, where a message holds one of its kind. */
const DEPTH_MAX = 6;
const DEEP = 2_000;
const NUMBERS = [
  0n,
  1n,
  2n,
  5n,
  127n,
  128n,
  1_000n,
  1_001n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;
/** Numbers of scalar types: descriptor.proto, FieldDescriptorProto.Type. */
const STRING = 9;
const BYTES_TYPE = 12;

const descriptors = fromBinary(
  FileDescriptorSetSchema,
  Buffer.from(FILE_DESCRIPTOR_SET_BASE64, "base64"),
);
descriptors.file.push(
  fromBinary(FileDescriptorProtoSchema, HEALTH_FILE),
  reflectionFile("v1"),
  reflectionFile("v1alpha"),
);
const registry = createFileRegistry(descriptors);

/** @typedef {{ path: string, name: string, isStream: boolean, isBidi: boolean, isStandard: boolean, input: any }} Method */

/** Of our services and of the standard ones, health and reflection. @type {readonly Method[]} */
export const methods = [...registry.files].flatMap((file) =>
  file.services.flatMap((/** @type {any} */ service) =>
    service.methods.map((/** @type {any} */ method) => ({
      path: `/${service.typeName}/${method.name}`,
      name: method.name,
      isStream: method.methodKind === "server_streaming",
      isBidi: method.methodKind === "bidi_streaming",
      isStandard: service.typeName.startsWith("grpc."),
      input: method.input,
    })),
  ),
);

/** What of grpc/reflection/v1/reflection.proto a request needs. @param {string} version */
function reflectionFile(version) {
  const text = (/** @type {string} */ name, /** @type {number} */ number) =>
    create(FieldDescriptorProtoSchema, { name, number, type: STRING, label: 1 });
  const request = {
    name: "ServerReflectionRequest",
    field: [
      text("host", 1),
      text("file_by_filename", 3),
      text("file_containing_symbol", 4),
      text("all_extension_numbers_of_type", 6),
      text("list_services", 7),
    ],
  };
  const type = `.grpc.reflection.${version}.ServerReflectionRequest`;
  const method = {
    ...{ name: "ServerReflectionInfo", inputType: type, outputType: type },
    ...{ clientStreaming: true, serverStreaming: true },
  };
  return create(FileDescriptorProtoSchema, {
    ...{ name: `reflection-${version}.proto`, package: `grpc.reflection.${version}` },
    ...{ messageType: [request], service: [{ name: "ServerReflection", method: [method] }] },
    syntax: "proto3",
  });
}

/** What fields are given that have these names. `known` is what the node has. */
export class Words {
  /** @type {{ organization: bigint, vault: bigint }} */
  known;
  /** Of things that the node made and named: API keys. */
  /** @type {string[]} */
  ids = [];
  /** Opaque bytes that answers carried: tokens of pages and of consistency. */
  /** @type {Uint8Array[]} */
  tokens = [];

  /** @param {{ organization: bigint, vault: bigint }} known */
  constructor(known) {
    this.known = known;
  }

  /**
   * @param {string} name
   * @param {import("../lib/random.mjs").Random} random
   * @param {boolean} isRight
   */
  text(name, random, isRight) {
    const by = name === "id" && this.ids.length > 0 ? this.ids : (TEXTS[name] ?? TEXTS["*"]);
    return random.pick(!isRight && random.int(8) === 0 ? ODD : by);
  }
}

/** Of the vault that requests are about. */
const MODEL =
  "model\n  schema 1.1\ntype user\ntype group\n  relations\n    define member: [user, group#member]\ntype document\n  relations\n    define blocked: [user]\n    define editor: [user]\n    define viewer: ([user, user:*, group#member] or editor) but not blocked\n";

export const MODEL_FILE = { name: "", text: MODEL };

/** @type {Record<string, any>} */
const TEXTS = {
  resource: ["document:budget", "document:plan", "document:budget"],
  subject: ["user:ada", "user:eve", "user:*", "group:eng#member"],
  relation: ["viewer", "editor", "member", "blocked"],
  key: ["config:limits", "config:flags", "k"],
  keys: ["config:limits", "config:flags", "k"],
  type: ["document", "user", "group"],
  service: ["", "authledger.v1.ReadService"],
  file_by_filename: ["authledger/v1/read.proto", "grpc/health/v1/health.proto"],
  file_containing_symbol: ["authledger.v1.ReadService", "authledger.v1.CheckRequest"],
  principal: ["user:ada", "user:eve", "key:k1", "cert:deployer"],
  tier: ["gold", "free", ""],
  assigned_tier: ["", "", "gold"],
  entity_key: ["config:limits", "k"],
  entity_prefix: ["config:", "k"],
  context_json: ["", "{}", '{"ip":"10.0.0.1"}'],
  text: [
    "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define viewer: [user]\n",
    MODEL,
  ],
  "*": ["acme", "main", "ada", "127.0.0.1:9", "viewer", "document:budget#viewer@user:ada", ""],
};
const ODD = [
  "",
  "document:",
  "\0",
  "a".repeat(300),
  "\u{1f600}",
  "*",
  "#",
  ":",
  "../..",
  "__proto__",
  "x".repeat(5_000),
  "%",
  "-1",
  "\u202e",
];

/**
 * The bytes of one request.
 *
 * @param {Method} method
 * @param {Words} words
 * @param {import("../lib/random.mjs").Random} random
 * @param {{ readonly isRight?: boolean }} [how]
 * @returns {Uint8Array}
 */
export function request(method, words, random, { isRight = false } = {}) {
  const made = message(method.input, words, random, { depth: 0, isRight });
  if (isRight) return made;
  switch (random.int(16)) {
    case 0:
      return made.subarray(0, random.int(made.length + 1));
    case 1:
      return Buffer.concat([made, made]);
    case 2:
      return deep(method.input, random);
    case 3:
      return Buffer.concat([made, Buffer.from([random.int(256), random.int(256)])]);
    default:
      return made;
  }
}

/**
 * @param {any} desc
 * @param {Words} words
 * @param {import("../lib/random.mjs").Random} random
 * @param {{ depth: number, isRight: boolean }} how
 * @returns {Uint8Array}
 */
function message(desc, words, random, how) {
  const out = new BinaryWriter();
  /** One of each oneof. @type {Map<string, any>} */
  const chosen = new Map();
  for (const { name, fields } of desc.oneofs) chosen.set(name, random.pick(fields));
  for (const field of desc.fields) {
    const isLeftOut = field.oneof !== undefined && chosen.get(field.oneof.name) !== field;
    if (isLeftOut && (how.isRight || random.int(20) !== 0)) continue;
    if (!isNeeded(field) && random.int(3) === 0) continue;
    const times = field.fieldKind === "list" || field.fieldKind === "map" ? random.int(4) : 1;
    const doubled = !how.isRight && random.int(24) === 0 ? 2 : 1;
    for (let i = times * doubled; i > 0; i--) put(out, field, words, random, how);
  }
  if (!how.isRight && random.int(24) === 0)
    out.tag(random.int(2_000) + 1, VARINT).uint32(random.u32());
  return out.finish();
}

/** @param {any} field */
const isNeeded = ({ name }) =>
  ["organization", "vault", "tuple", "transaction", "operations"].includes(name);

/**
 * @param {any} out
 * @param {any} field
 * @param {Words} words
 * @param {import("../lib/random.mjs").Random} random
 * @param {{ depth: number, isRight: boolean }} how
 */
function put(out, field, words, random, how) {
  if (!how.isRight && random.int(40) === 0) return putOther(out, field.number, random);
  if (field.fieldKind === "map") {
    const entry = new BinaryWriter();
    entry.tag(1, BYTES).string(words.text(field.name, random, how.isRight));
    entry.tag(2, BYTES).string(words.text("*", random, how.isRight));
    out.tag(field.number, BYTES).bytes(entry.finish());
  } else if (field.message !== undefined) {
    const isDeep = how.depth >= DEPTH_MAX;
    const inner = isDeep
      ? new Uint8Array(0)
      : message(field.message, words, random, { ...how, depth: how.depth + 1 });
    out.tag(field.number, BYTES).bytes(inner);
  } else if (field.enum !== undefined) {
    const { number } = random.pick(field.enum.values);
    out
      .tag(field.number, VARINT)
      .int32(!how.isRight && random.int(10) === 0 ? random.u32() | 0 : number);
  } else putScalar(out, field, words, random, how);
}

/**
 * @param {any} out
 * @param {any} field
 * @param {Words} words
 * @param {import("../lib/random.mjs").Random} random
 * @param {{ isRight: boolean }} how
 */
function putScalar(out, field, words, random, { isRight }) {
  const { number, name, scalar } = field;
  if (scalar === STRING) {
    const isBroken = !isRight && random.int(30) === 0;
    out
      .tag(number, BYTES)
      .bytes(isBroken ? Buffer.from([0x61, 0xff, 0xc0]) : utf8(words.text(name, random, isRight)));
  } else if (scalar === BYTES_TYPE) {
    const none = new Uint8Array(0);
    const odd = [new Uint8Array(32), new Uint8Array([random.int(256), 2, 3]), ...words.tokens];
    out.tag(number, BYTES).bytes(isRight ? none : random.pick([none, ...odd]));
  } else {
    const known =
      name === "organization" || name === "vault"
        ? words.known[/** @type {"vault"} */ (name)]
        : undefined;
    const numbers = name === "wait_ms" && random.int(20) > 0 ? [0n, 1n, 20n] : NUMBERS;
    const value =
      known !== undefined && (isRight || random.int(12) !== 0) ? known : random.pick(numbers);
    out.tag(number, VARINT).uint64(value);
  }
}

/**
 * The field with another wire type than its own.
 *
 * @param {any} out
 * @param {number} number
 * @param {import("../lib/random.mjs").Random} random
 */
function putOther(out, number, random) {
  const type = random.pick([VARINT, FIXED64, BYTES, FIXED32]);
  if (type === VARINT) out.tag(number, VARINT).uint64(2n ** 64n - 1n);
  else if (type === FIXED64) out.tag(number, FIXED64).fixed64(2n ** 64n - 1n);
  else if (type === FIXED32) out.tag(number, FIXED32).fixed32(random.u32());
  else out.tag(number, BYTES).bytes(Buffer.from([0x0a, 0xff, 0x01]));
}

/**
 * Messages in messages, much deeper than any decoder should follow.
 *
 * @param {any} desc
 * @param {import("../lib/random.mjs").Random} random
 * @returns {Uint8Array}
 */
function deep(desc, random) {
  /** @type {number[]} */
  const way = [];
  let at = desc;
  while (way.length < DEEP) {
    const inner = at.fields.filter(
      (/** @type {any} */ field) => field.message !== undefined && field.fieldKind !== "map",
    );
    if (inner.length === 0) break;
    const again =
      inner.find((/** @type {any} */ field) => field.message === at) ?? random.pick(inner);
    way.push(again.number);
    at = again.message;
  }
  let bytes = new Uint8Array(0);
  for (const number of way.reverse())
    bytes = new BinaryWriter().tag(number, BYTES).bytes(bytes).finish();
  return bytes;
}
