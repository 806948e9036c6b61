// @ts-check
/** Sends requests as clients do, over gRPC and over Connect, and judges how they end. */
import { createRequire } from "node:module";
import { mutate } from "../lib/mutate.mjs";
import { product } from "../lib/product.mjs";

const fromServer = createRequire(new URL("../../packages/server/package.json", import.meta.url));
const grpc = fromServer("@grpc/grpc-js");
const { decodeErrorDetails, JsonCodec, STATUS_DETAILS_KEY } = await product("proto");
const fromProto = createRequire(new URL("../../packages/proto/package.json", import.meta.url));
const { fromBinary, toJsonString } = fromProto("@bufbuild/protobuf");

/** A call that takes longer hangs. */
const CALL_MS_MAX = 10_000;
/** Streams that never end by themselves are left after so many messages or so long. */
const STREAM_MESSAGES = 4;
const STREAM_MS = 100;
/** These wait as long as their request says. */
const MAY_WAIT = new Set(["Compact", "CheckIntegrity"]);
/** What nobody should be answered: something that no one expected happened inside. */
const NEVER = new Set([grpc.status.UNKNOWN, grpc.status.INTERNAL, grpc.status.DATA_LOSS]);
const UNREADABLE = "Error deserializing request";
const codec = new JsonCodec();

/** How a request travels. The standard services are there over gRPC only. */
export const TRANSPORTS = /** @type {const} */ (["grpc", "connect", "connect-json"]);

/** @typedef {import("./messages.mjs").Method} Method */
/** @typedef {(typeof TRANSPORTS)[number]} Transport */
/** @typedef {{ status: number, code?: string | undefined, text: string, bytes?: Uint8Array | undefined }} End */

export class Clients {
  /** @param {{ grpcAddress: string, connectAddress: string }} node */
  constructor({ grpcAddress, connectAddress }) {
    this.grpc = new grpc.Client(grpcAddress, grpc.credentials.createInsecure());
    this.url = `http://${connectAddress}`;
  }

  close() {
    this.grpc.close();
  }

  /**
   * @param {Method} method
   * @param {Uint8Array} bytes
   * @param {Transport} transport
   * @param {import("../lib/random.mjs").Random} random
   * @returns {Promise<End>}
   */
  send(method, bytes, transport, random) {
    if (method.isBidi) return this.#both(method, bytes);
    if (transport === "grpc" || method.isStandard)
      return method.isStream ? this.#stream(method, bytes) : this.#unary(method, bytes);
    const isJson = transport === "connect-json";
    const body = isJson ? jsonOf(method, bytes, random) : bytes;
    return method.isStream
      ? this.#connectStream(method, body, isJson)
      : this.#connect(method, body, isJson);
  }

  /**
   * @param {Method} method
   * @param {Uint8Array} bytes
   * @returns {Promise<End>}
   */
  #unary({ path }, bytes) {
    const options = { deadline: Date.now() + CALL_MS_MAX };
    return new Promise((resolve) => {
      this.grpc.makeUnaryRequest(
        path,
        Buffer.from,
        (/** @type {Buffer} */ b) => b,
        bytes,
        new grpc.Metadata(),
        options,
        (/** @type {any} */ error, /** @type {Buffer} */ answer) =>
          resolve(error === null ? { status: 0, text: "", bytes: answer } : endOf(error)),
      );
    });
  }

  /**
   * @param {Method} method
   * @param {Uint8Array} bytes
   * @returns {Promise<End>}
   */
  #stream({ path }, bytes) {
    const options = { deadline: Date.now() + CALL_MS_MAX };
    const call = this.grpc.makeServerStreamRequest(
      path,
      Buffer.from,
      (/** @type {Buffer} */ b) => b,
      bytes,
      new grpc.Metadata(),
      options,
    );
    return this.#answers(call);
  }

  /**
   * @param {Method} method
   * @param {Uint8Array} bytes
   * @returns {Promise<End>}
   */
  #both({ path }, bytes) {
    const options = { deadline: Date.now() + CALL_MS_MAX };
    const call = this.grpc.makeBidiStreamRequest(
      path,
      Buffer.from,
      (/** @type {Buffer} */ b) => b,
      new grpc.Metadata(),
      options,
    );
    for (let i = 0; i < STREAM_MESSAGES; i++) call.write(bytes);
    call.end();
    return this.#answers(call);
  }

  /**
   * @param {any} call
   * @returns {Promise<End>}
   */
  async #answers(call) {
    const timer = setTimeout(() => call.cancel(), STREAM_MS);
    let seen = 0;
    try {
      for await (const _ of call) if (++seen >= STREAM_MESSAGES) break;
      return { status: 0, text: "" };
    } catch (error) {
      const end = endOf(error);
      return end.status === grpc.status.CANCELLED ? { status: 0, text: "" } : end;
    } finally {
      clearTimeout(timer);
      call.cancel();
    }
  }

  /**
   * @param {Method} method
   * @param {Uint8Array} body
   * @param {boolean} isJson
   * @returns {Promise<End>}
   */
  async #connect({ path }, body, isJson) {
    const type = `application/${isJson ? "json" : "proto"}`;
    const signal = AbortSignal.timeout(CALL_MS_MAX);
    let response;
    let bytes;
    try {
      response = await this.#post(path, body, type, signal);
      bytes = new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      if (!signal.aborted) throw error;
      return { status: grpc.status.DEADLINE_EXCEEDED, text: `no answer in ${CALL_MS_MAX} ms` };
    }
    return response.ok
      ? { status: 0, text: "" }
      : connectEnd(response.status, new TextDecoder().decode(bytes));
  }

  /**
   * @param {Method} method
   * @param {Uint8Array} message
   * @param {boolean} isJson
   * @returns {Promise<End>}
   */
  async #connectStream({ path }, message, isJson) {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const ended = new AbortController();
    const timer = setTimeout(() => ended.abort(), STREAM_MS);
    /** @type {Buffer[]} */
    const chunks = [];
    try {
      const type = `application/connect+${isJson ? "json" : "proto"}`;
      const response = await this.#post(path, Buffer.concat([prefix, message]), type, ended.signal);
      for await (const chunk of /** @type {any} */ (response.body)) chunks.push(Buffer.from(chunk));
    } catch (error) {
      if (!ended.signal.aborted) throw error;
      // It never ends by itself, and was left.
      return { status: 0, text: "" };
    } finally {
      clearTimeout(timer);
      ended.abort();
    }
    const { error } = JSON.parse(endOfStream(Buffer.concat(chunks)));
    return error === undefined ? { status: 0, text: "" } : connectEnd(0, JSON.stringify(error));
  }

  /**
   * @param {string} path
   * @param {Uint8Array} body
   * @param {string} type
   * @param {AbortSignal} signal
   */
  #post(path, body, type, signal) {
    return fetch(this.url + path, {
      method: "POST",
      body: Buffer.from(body),
      headers: { "content-type": type },
      signal,
    });
  }
}

/**
 * The request as JSON where it is one, and then changed; else its bytes as they are.
 *
 * @param {Method} method
 * @param {Uint8Array} bytes
 * @param {import("../lib/random.mjs").Random} random
 */
function jsonOf({ input }, bytes, random) {
  let text;
  try {
    text = Buffer.from(toJsonString(input, fromBinary(input, bytes)));
  } catch {
    return bytes;
  }
  if (random.int(2) === 0) return text;
  return mutate(text, random, { others: [text], maxBytes: 65_536, words: WORDS });
}
const WORDS = [
  '{"a":',
  "[[[[[[[[",
  '"__proto__":1,',
  "1e999",
  "18446744073709551616",
  '"\\ud800"',
  "null",
  "-0.5",
].map((text) => Buffer.from(text));

/** The JSON of the last message of a stream. @param {Buffer} bytes */
function endOfStream(bytes) {
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (bytes[at] === 2) return bytes.toString("utf8", at + 5, end);
    at = end;
  }
  throw new Error("the stream has no end");
}

/** @param {any} error @returns {End} */
function endOf(error) {
  const [details] = error.metadata?.get(STATUS_DETAILS_KEY) ?? [];
  const code = details === undefined ? undefined : decodeErrorDetails(details)?.code;
  return { status: error.code, code, text: error.details };
}

/** @param {number} http @param {string} body @returns {End} */
function connectEnd(http, body) {
  const { code: name, message, details } = JSON.parse(body);
  const status =
    name === "canceled" ? grpc.status.CANCELLED : grpc.status[String(name).toUpperCase()];
  const code = details?.find((/** @type {any} */ detail) => detail.debug !== undefined)?.debug.code;
  return { status: status ?? grpc.status.UNKNOWN, code, text: `${http} ${message}` };
}

/**
 * Why an end is none that a client may get; undefined when it is.
 *
 * @param {End} end
 * @param {number} ms how long it took
 * @param {Method} method
 */
export function wrongIn({ status, code, text }, ms, { name, isStandard }) {
  if (status === grpc.status.DEADLINE_EXCEEDED && MAY_WAIT.has(name)) return undefined;
  if (status === 0) return ms > CALL_MS_MAX ? `it took ${Math.round(ms)} ms` : undefined;
  if (status === grpc.status.DEADLINE_EXCEEDED) return `it hung: ${text}`;
  // Requests and errors of the standard services are the library's own: it calls bytes that are no message INTERNAL.
  if (isStandard && (text.startsWith(UNREADABLE) || !NEVER.has(status))) return undefined;
  if (NEVER.has(status) || code === "INTERNAL")
    return `${grpc.status[status]} ${code ?? ""} ${text}`;
  // The library answers for calls that a node does not have.
  if (status === grpc.status.UNIMPLEMENTED) return undefined;
  return code === undefined ? `no details: ${grpc.status[status]} ${text}` : undefined;
}

/** Paths that JSON knows: all of them, or the fuzzer would miss some. */
export const hasJson = (/** @type {string} */ path) => codec.method(path) !== undefined;
