/**
 * A socket that is not read for a while: its client's calls wait with the client, once the little that the kernel keeps
 * is full and its streams are used up. This costs nothing, where answering each call costs nearly what serving it does.
 *
 * HTTP/2 takes the socket's data below the stream interface, so `socket.pause()` has no effect; the handle is asked itself. It
 * is not documented, hence the test that holds it on this version of Node, and that a handle without it is left alone.
 */
import type { Socket } from "node:net";

interface ReadableHandle {
  readStop?(): void;
  readStart?(): void;
}

export class HeldSocket {
  readonly #socket: Socket;
  #isHeld = false;
  #isStale = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** What arrives now has waited while the socket was not read. */
  get isStale(): boolean {
    return this.#isStale;
  }

  /** @param onFresh called when what has waited has been read */
  hold(forMs: number, onFresh: () => void): boolean {
    if (this.#isHeld || this.#handle?.readStop === undefined) return false;
    this.#isHeld = true;
    this.#handle.readStop();
    setTimeout(() => {
      this.#isHeld = false;
      this.#isStale = true;
      this.#handle?.readStart?.();
      // Timers, sockets, immediates: when this comes, what had arrived has been read.
      setImmediate(() => {
        this.#isStale = false;
        onFresh();
      });
    }, forMs).unref();
    return true;
  }

  get #handle(): ReadableHandle | undefined {
    const { _handle } = this.#socket as unknown as { readonly _handle?: ReadableHandle | null };
    return _handle ?? undefined;
  }
}
