/**
 * One stream of messages over one connection. A connection can die without a word (a lost route, a paused
 * machine), so a stream that brings nothing for a while although its server promised heartbeats counts as lost.
 */
import { LedgerError } from "@authledger/types";
import type { Ports } from "./ports.js";
import type { WireCall, WireChannel, WireMetadata } from "./wire.js";

/** A streaming method of a generated service definition. */
export interface StreamMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (request: Req) => Uint8Array;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  readonly requestId?: string | undefined;
  /** What the program sends along. */
  readonly metadata?: WireMetadata | undefined;
  /** Without a message for so long the stream is lost. Time in which nobody asks for one does not count. */
  readonly silenceMs: number;
}

/** Encoded messages. @throws WireError; LedgerError UNAVAILABLE for silence */
export async function* readStream(
  channel: WireChannel,
  call: WireCall,
  { silenceMs, after }: Pick<StreamOptions, "silenceMs"> & Pick<Ports, "after">,
): AsyncGenerator<Uint8Array> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  call.signal?.addEventListener("abort", end, { once: true });
  if (call.signal?.aborted === true) end();
  let isSilent = false;
  const messages = channel.serverStream({ ...call, signal: ended.signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const forget = after(silenceMs, () => {
        isSilent = true;
        end();
      });
      const next = await messages.next().finally(forget);
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    if (!isSilent) throw error;
    const message = `the server was silent for ${silenceMs} ms`;
    throw new LedgerError("UNAVAILABLE", message, { cause: error });
  } finally {
    call.signal?.removeEventListener("abort", end);
    end();
  }
}
