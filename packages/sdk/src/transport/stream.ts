/**
 * One stream of messages over one connection. A connection can die without a word (a lost route, a paused
 * machine), so a stream that brings nothing for a while although its server promised heartbeats counts as lost.
 */
import { LedgerError } from "@authledger/types";
import { type Client, Metadata } from "@grpc/grpc-js";

/** A streaming method of a generated service definition. */
export interface StreamMethod<Req, Res> {
  readonly path: string;
  readonly requestSerialize: (request: Req) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Res;
}

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  readonly requestId?: string | undefined;
  /** Without a message for so long the stream is lost. Time in which nobody asks for one does not count. */
  readonly silenceMs: number;
}

/** @throws ServiceError as the library reports it; LedgerError UNAVAILABLE for silence */
export async function* readStream<Req, Res>(
  client: Client,
  method: StreamMethod<Req, Res>,
  request: Req,
  { signal, silenceMs, metadata }: StreamOptions & { readonly metadata: Metadata },
): AsyncGenerator<Res> {
  const { path, requestSerialize, responseDeserialize } = method;
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    metadata,
  );
  let isSilent = false;
  const cancel = (): void => call.cancel();
  // What a cancelled stream still reports concerns nobody.
  call.on("error", () => undefined);
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted === true) cancel();
  const messages = call[Symbol.asyncIterator]() as AsyncIterator<Res>;
  try {
    for (;;) {
      const timer = setTimeout(() => {
        isSilent = true;
        cancel();
      }, silenceMs);
      const next = await messages.next().finally(() => clearTimeout(timer));
      if (next.done === true) return;
      yield next.value;
    }
  } catch (error) {
    if (!isSilent) throw error;
    const message = `the server was silent for ${silenceMs} ms`;
    throw new LedgerError("UNAVAILABLE", message, { cause: error });
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

/** The metadata of a call that is named in logs. */
export function namedMetadata(requestId: string): Metadata {
  const metadata = new Metadata();
  metadata.set("x-request-id", requestId);
  return metadata;
}
