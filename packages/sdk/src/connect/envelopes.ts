/** Messages of a stream: one byte of flags, the length in four bytes (big-endian), the message. */
import { GrpcStatus, limits } from "@authledger/types";
import { WireError } from "../transport/wire.js";

const PREFIX_BYTES = 5;
/** The last message: how the stream ended, as JSON. */
export const END_OF_STREAM = 0x02;

export interface Envelope {
  readonly flags: number;
  readonly message: Uint8Array;
}

export function envelope(message: Uint8Array): Uint8Array {
  const out = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(out.buffer).setUint32(1, message.length);
  out.set(message, PREFIX_BYTES);
  return out;
}

/** Leaving the loop ends the body. @throws WireError for a message over the limit */
export async function* envelopesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Envelope> {
  const reader = body.getReader();
  const chunks = new Chunks(reader);
  try {
    for (;;) {
      const prefix = await chunks.take(PREFIX_BYTES);
      if (prefix === undefined) return;
      const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(1);
      if (length > limits.MESSAGE_BYTES_MAX) {
        throw new WireError(GrpcStatus.RESOURCE_EXHAUSTED, "received message larger than max");
      }
      const message = await chunks.take(length);
      if (message === undefined) return;
      yield { flags: prefix[0]!, message };
    }
  } finally {
    // The reader may have failed; that is reported by whoever read from it.
    await reader.cancel().catch(() => undefined);
  }
}

/** Bytes as they are asked for, of chunks as they come. */
class Chunks {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #waiting: Uint8Array[] = [];
  #bytes = 0;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader;
  }

  /** Undefined when the body ends before. */
  async take(length: number): Promise<Uint8Array | undefined> {
    while (this.#bytes < length) {
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#waiting.push(value);
      this.#bytes += value.length;
    }
    const out = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const [first] = this.#waiting;
      const part = first!.subarray(0, length - filled);
      out.set(part, filled);
      filled += part.length;
      if (part.length === first!.length) this.#waiting.shift();
      else this.#waiting[0] = first!.subarray(part.length);
    }
    this.#bytes -= length;
    return out;
  }
}
