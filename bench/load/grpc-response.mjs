/** One gRPC response while it arrives: its message, its status and what is wrong with it. */

/** @typedef {import("./hpack-tables.mjs").HeaderField} HeaderField */

const PREFIX_BYTES = 5;

export class GrpcResponse {
  /** What the caller knows the request by. */
  index;
  /** performance.now() when the request was handed over. */
  startedAt;
  /** @type {string | undefined} */
  failure = undefined;
  #httpStatus = "";
  #grpcStatus = "";
  #grpcMessage = "";
  /** `grpc-status-details-bin`, base64; empty where there is none. */
  details = "";
  #received = 0;
  #length = 0;
  #compressed = false;
  /** @type {Buffer[] | undefined} */
  #chunks;

  /**
   * @param {number} index
   * @param {number} startedAt
   * @param {boolean} collect keep the message
   */
  constructor(index, startedAt, collect) {
    this.index = index;
    this.startedAt = startedAt;
    this.#chunks = collect ? [] : undefined;
  }

  /** Octets of the message so far, its prefix included. */
  get received() {
    return this.#received;
  }

  /** @param {HeaderField} field */
  header(field) {
    if (field.name === "grpc-status") this.#grpcStatus = field.value;
    else if (field.name === "grpc-message") this.#grpcMessage = field.value;
    else if (field.name === "grpc-status-details-bin") this.details = field.value;
    else if (field.name === ":status") this.#httpStatus = field.value;
  }

  /**
   * @param {Buffer} buffer
   * @param {number} from
   * @param {number} to
   */
  data(buffer, from, to) {
    let at = from;
    for (; this.#received < PREFIX_BYTES && at < to; at++, this.#received++) {
      if (this.#received === 0) this.#compressed = buffer[at] !== 0;
      else this.#length = this.#length * 256 + buffer[at];
    }
    this.#received += to - at;
    if (at < to) this.#chunks?.push(Buffer.from(buffer.subarray(at, to)));
  }

  /** The response is complete: undefined when it is a good one with exactly one message, else what it is. */
  problem() {
    if (this.failure !== undefined) return this.failure;
    if (this.#httpStatus !== "200") return `HTTP status ${this.#httpStatus || "missing"}`;
    if (this.#grpcStatus !== "0") {
      const text = this.#grpcMessage.slice(0, 200);
      return `gRPC status ${this.#grpcStatus || "missing"}${text ? `: ${decodeMessage(text)}` : ""}`;
    }
    if (this.#compressed) return "compressed message";
    if (this.#received !== PREFIX_BYTES + this.#length) {
      return this.#received === 0 ? "no message" : "not exactly one whole message";
    }
    return undefined;
  }

  /** The message; only when it was to be kept. */
  message() {
    const chunks = this.#chunks ?? [];
    return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
  }
}

/** grpc-message is percent-encoded. @param {string} text */
function decodeMessage(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
