/**
 * Reads the bodies of requests, of bounded size.
 *
 *   INV-CONNECT-3  The bodies that are being read take at most BODIES_BYTES_MAX together, whoever sends them.
 */
import type { IncomingMessage } from "node:http";
import { LedgerError } from "@authledger/types";
import { MESSAGE_BYTES_MAX } from "../config.js";

/** Base64 and the names of JSON make messages larger. */
const BODY_BYTES_MAX = 2 * MESSAGE_BYTES_MAX;
const BODIES_BYTES_MAX = 8 * BODY_BYTES_MAX;
/** What a refused client is told to wait. */
const RETRY_MS = 250;

export interface BodiesOptions {
  readonly bodyMax?: number;
  readonly totalMax?: number;
}

export class Bodies {
  readonly #bodyMax: number;
  readonly #totalMax: number;
  #bytes = 0;

  constructor({ bodyMax = BODY_BYTES_MAX, totalMax = BODIES_BYTES_MAX }: BodiesOptions = {}) {
    this.#bodyMax = bodyMax;
    this.#totalMax = totalMax;
  }

  /** Of all that are being read. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @throws LedgerError LIMIT_EXCEEDED, OVERLOADED, CANCELLED (by rejection) */
  async read(request: IncomingMessage): Promise<Buffer> {
    const named = Number(request.headers["content-length"] ?? 0);
    if (named > this.#bodyMax) throw this.#tooLarge(named);
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      // A request that is refused halfway still gets its answer, so its socket must outlive this loop.
      for await (const chunk of request.iterator({
        destroyOnReturn: false,
      }) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#bytes += chunk.length;
        if (bytes > this.#bodyMax) throw this.#tooLarge(bytes);
        if (this.#bytes > this.#totalMax) throw full(this.#bytes, this.#totalMax);
        chunks.push(chunk);
      }
    } catch (error) {
      if (error instanceof LedgerError) throw error;
      throw new LedgerError("CANCELLED", "the client ended its request", { cause: error });
    } finally {
      this.#bytes -= bytes;
    }
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes);
  }

  #tooLarge(actual: number): LedgerError {
    const message = `the body has ${actual} bytes or more; the limit is ${this.#bodyMax}`;
    const details = { field: "body", limit: this.#bodyMax, actual };
    return new LedgerError("LIMIT_EXCEEDED", message, { details });
  }
}

function full(bytes: number, limit: number): LedgerError {
  const message = `requests of ${bytes} bytes are being read; the limit is ${limit}`;
  return new LedgerError("OVERLOADED", message, { details: { limit }, retryAfterMs: RETRY_MS });
}
