/** A call that is answered once: one request, one response (connectrpc.com/docs/protocol, "Unary RPCs"). */
import type { ServerResponse } from "node:http";
import { LEADER_KEY, type MethodJson } from "@authledger/proto";
import type { Metadata, ServiceError } from "@grpc/grpc-js";
import { toServiceError } from "../grpc-error.js";
import type { UnaryFrame } from "../unary.js";
import { connectError } from "./connect-error.js";
import type { HttpCall } from "./http-call.js";

/** @param json absent: the answer goes out as the bytes of its message */
export function answerUnary(
  handle: UnaryFrame["handle"],
  call: HttpCall,
  response: ServerResponse,
  json: MethodJson | undefined,
): void {
  call.onDeadline((error) => fail(response, toServiceError(error)));
  handle(call, (error, bytes, trailer) => {
    if (error !== null || bytes === undefined || bytes === null) {
      fail(response, error ?? {});
      return;
    }
    try {
      succeed(response, json === undefined ? bytes : json.answer(bytes), trailer);
    } catch (thrown) {
      fail(response, toServiceError(thrown));
    }
  });
}

/** An answer to what came too late for another one is dropped. */
export function fail(response: ServerResponse, status: Partial<ServiceError>): void {
  if (response.headersSent || response.destroyed) return;
  const { httpStatus, json, retryAfterS } = connectError(status);
  response.setHeader("content-type", "application/json");
  if (retryAfterS !== undefined) response.setHeader("retry-after", String(retryAfterS));
  response.writeHead(httpStatus).end(JSON.stringify(json));
}

function succeed(
  response: ServerResponse,
  body: Uint8Array | string,
  trailer: Metadata | undefined,
): void {
  if (response.headersSent || response.destroyed) return;
  const isJson = typeof body === "string";
  response.setHeader("content-type", isJson ? "application/json" : "application/proto");
  const [leader] = trailer?.get(LEADER_KEY) ?? [];
  if (typeof leader === "string") response.setHeader(`trailer-${LEADER_KEY}`, leader);
  response.setHeader("content-length", isJson ? Buffer.byteLength(body) : body.length);
  response.writeHead(200).end(body);
}
