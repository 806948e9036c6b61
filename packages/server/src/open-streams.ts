/**
 * The streams that a node has open: how many there may be, and their end when the node stops.
 *
 *   INV-STREAM-1  A connection holds at most PER_CONNECTION_MAX streams and a node PER_NODE_MAX; one is open until
 *                 its handler has ended and its client has been told, so that neither can pile up.
 */
import { LedgerError } from "@authledger/types";

/** Leaves half of a connection's 1,024 calls to those that are not streams. */
const PER_CONNECTION_MAX = 512;
/** An idle stream takes some 25 KiB, most of it in the library: 250 MiB together. */
const PER_NODE_MAX = 10_000;
/** What a refused client is told to wait. */
const RETRY_MS = 1_000;

export interface OpenStreamsOptions {
  readonly perConnectionMax?: number;
  readonly perNodeMax?: number;
  /** Told how many a connection has open. */
  readonly onCount?: (peer: string, count: number) => void;
}

/** What this module needs of a stream. */
export interface OpenStream {
  /** A watch never ends by itself; a transfer does, and may go on while the node stops. */
  readonly isEndless: boolean;
  abort(reason: LedgerError): void;
}

export class OpenStreams {
  readonly #perConnectionMax: number;
  readonly #perNodeMax: number;
  readonly #onCount: (peer: string, count: number) => void;
  readonly #open = new Set<OpenStream>();
  /** Streams by address and port of their client. */
  readonly #counts = new Map<string, number>();
  #isStopping = false;

  constructor({
    perConnectionMax = PER_CONNECTION_MAX,
    perNodeMax = PER_NODE_MAX,
    onCount = () => undefined,
  }: OpenStreamsOptions = {}) {
    this.#perConnectionMax = perConnectionMax;
    this.#perNodeMax = perNodeMax;
    this.#onCount = onCount;
  }

  get count(): number {
    return this.#open.size;
  }

  /**
   * Counts a stream until what this returns is called.
   * @throws LedgerError OVERLOADED, SHUTTING_DOWN
   */
  add(peer: string, stream: OpenStream): () => void {
    if (this.#isStopping) throw shuttingDown();
    const count = this.#counts.get(peer) ?? 0;
    if (count >= this.#perConnectionMax) {
      throw tooMany("this connection", count, this.#perConnectionMax);
    }
    if (this.#open.size >= this.#perNodeMax) {
      throw tooMany("the node", this.#open.size, this.#perNodeMax);
    }
    this.#open.add(stream);
    this.#counts.set(peer, count + 1);
    this.#onCount(peer, count + 1);
    return () => this.#remove(peer, stream);
  }

  /** Ends watches and takes no more streams, so that a shutdown waits for transfers only. */
  stop(): void {
    this.#isStopping = true;
    for (const stream of [...this.#open]) if (stream.isEndless) stream.abort(shuttingDown());
  }

  #remove(peer: string, stream: OpenStream): void {
    if (!this.#open.delete(stream)) return;
    const left = this.#counts.get(peer)! - 1;
    if (left === 0) this.#counts.delete(peer);
    else this.#counts.set(peer, left);
    this.#onCount(peer, left);
  }
}

function shuttingDown(): LedgerError {
  return new LedgerError("SHUTTING_DOWN", "the node is shutting down");
}

function tooMany(who: string, count: number, limit: number): LedgerError {
  return new LedgerError("OVERLOADED", `${who} has ${count} streams open; the limit is ${limit}`, {
    details: { streams: count, limit },
    retryAfterMs: RETRY_MS,
  });
}
