/** A call whose answer streams (connectrpc.com/docs/protocol, "Streaming RPCs"): enveloped messages, and how it ended. */
import type { ServerResponse } from "node:http";
import type { MethodJson } from "@authledger/proto";
import type { ServiceError } from "@grpc/grpc-js";
import type { StreamWireCall } from "../wire-call.js";
import { connectError } from "./connect-error.js";
import { END_OF_STREAM, envelope } from "./envelope.js";
import { HttpCall, type HttpCallParts } from "./http-call.js";

export class HttpStreamCall extends HttpCall implements StreamWireCall {
  readonly #response: ServerResponse;
  readonly #json: MethodJson | undefined;

  /** @param json absent: messages go out as their bytes */
  constructor(parts: HttpCallParts, json: MethodJson | undefined) {
    super(parts);
    this.#response = parts.response;
    this.#json = json;
    this.once("error", (status: Partial<ServiceError>) =>
      endStream(parts.response, this.#json, status),
    );
    begin(parts.response, json);
  }

  write(bytes: Uint8Array, taken: () => void): void {
    const message = this.#json === undefined ? bytes : Buffer.from(this.#json.answer(bytes));
    this.#response.write(envelope(message), taken);
  }

  end(): void {
    endStream(this.#response, this.#json, undefined);
  }
}

/** Ends a stream, also one that never began. `status`: absent where it went well. */
export function endStream(
  response: ServerResponse,
  json: MethodJson | undefined,
  status: Partial<ServiceError> | undefined,
): void {
  if (response.writableEnded || response.destroyed) return;
  begin(response, json);
  const end = status === undefined ? {} : { error: connectError(status).json };
  response.end(envelope(Buffer.from(JSON.stringify(end)), END_OF_STREAM));
}

/** The client learns at once that its stream is open, also where nothing happens for long. */
function begin(response: ServerResponse, json: MethodJson | undefined): void {
  if (response.headersSent || response.destroyed) return;
  const type = json === undefined ? "application/connect+proto" : "application/connect+json";
  response.writeHead(200, { "content-type": type });
  response.flushHeaders();
}
