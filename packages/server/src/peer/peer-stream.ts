/**
 * One open stream between two nodes, whoever dialed: messages out as bytes, messages in as what they are. Nothing here
 * makes a promise or a closure for a message.
 */
import { peer } from "@authledger/proto";
import { LINGER_MS } from "./peer-limits.js";

/** What comes in. Requests and responses have the same fields. */
export type PeerContent = NonNullable<peer.ConnectRequest["content"]>;

/** How the stream ends of its own accord: in words. */
export interface StreamListener {
  onContent(content: PeerContent): void;
  onClosed(why: string): void;
}

/** What this module needs of a stream of the library, on either side. */
interface Duplex {
  write(message: Buffer, done: () => void): boolean;
  end(): unknown;
  on(event: "data", listener: (message: peer.ConnectRequest) => void): unknown;
  on(event: "error", listener: (error: Error & { readonly details?: string }) => void): unknown;
  on(event: "end" | "cancelled", listener: () => void): unknown;
}

interface ConnectMethod {
  readonly path: string;
  readonly requestStream: true;
  readonly responseStream: true;
  readonly requestSerialize: (bytes: Buffer) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => peer.ConnectRequest;
  readonly responseSerialize: (bytes: Buffer) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => peer.ConnectRequest;
}

/** The method, alike on both sides: bytes go out that are encoded already, messages come in. */
export const CONNECT: ConnectMethod = {
  path: peer.PeerServiceService.connect.path,
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: decode,
  responseSerialize: same,
  responseDeserialize: decode,
};

export class PeerStream {
  readonly #duplex: Duplex;
  readonly #abort: () => void;
  readonly #names: () => readonly string[] | undefined;
  #listener: StreamListener | undefined;
  #isOpen = true;

  /**
   * `names`: those of the certificate that the other side shows, known once it has said something; undefined without TLS.
   * `abort` ends the stream at once, whatever waits in it.
   */
  constructor(duplex: Duplex, names: () => readonly string[] | undefined, abort: () => void) {
    this.#duplex = duplex;
    this.#names = names;
    this.#abort = abort;
    duplex.on("data", ({ content }) => {
      if (content !== undefined && this.#isOpen) this.#listener?.onContent(content);
    });
    duplex.on("error", (error) => this.#closed(error.details || error.message));
    duplex.on("end", () => this.#closed("the peer closed the stream"));
    duplex.on("cancelled", () => this.#closed("the peer went away"));
  }

  get names(): readonly string[] | undefined {
    return this.#names();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** From now on this one hears of it. */
  listen(listener: StreamListener): void {
    this.#listener = listener;
  }

  /** `done` is called when HTTP/2 has taken the message, which it does only while the peer reads. */
  write(message: Buffer, done: () => void): void {
    if (this.#isOpen) this.#duplex.write(message, done);
  }

  say(content: PeerContent): void {
    this.write(Buffer.from(peer.ConnectRequest.encode({ content }).finish()), nothing);
  }

  /** Ends after what was written, or soon when the peer does not take it; the listener hears no more. */
  end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#duplex.end();
    setTimeout(this.#abort, LINGER_MS).unref();
  }

  /** Ends at once; the listener hears no more. */
  abort(): void {
    this.#isOpen = false;
    this.#abort();
  }

  #closed(why: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#abort();
    this.#listener?.onClosed(why);
  }
}

function same(bytes: Buffer): Buffer {
  return bytes;
}

function decode(bytes: Buffer): peer.ConnectRequest {
  return peer.ConnectRequest.decode(bytes);
}

function nothing(): void {}
