/** What the failure of an attempt means, in the words of the table of errors. */
import { GrpcStatus, LedgerError } from "@authledger/types";
import type { Endpoint } from "./endpoint.js";
import { cancelled, nameOf, type Running } from "./running.js";
import { WireError } from "./wire.js";
import { type EndpointFailure, type Failure, failureOf } from "./wire-failure.js";

/** What an attempt comes to that had to end before the deadline, so that another node has time to answer. */
export function cutShort({ address }: Endpoint, error: unknown): Failure {
  const message = `${address} did not answer in time`;
  return { kind: "transport", cause: "timeout", message, sent: true, error };
}

export function isTimeUp(thrown: unknown): boolean {
  return thrown instanceof WireError && thrown.code === GrpcStatus.DEADLINE_EXCEEDED;
}

export function judge<Req, Res>(
  thrown: unknown,
  endpoint: Endpoint,
  running: Running<Req, Res>,
): Failure {
  if (running.signal?.aborted === true) return { kind: "answered", error: cancelled(running) };
  if (!(thrown instanceof WireError)) return { kind: "answered", error: LedgerError.from(thrown) };
  if (isTimeUp(thrown) && !endpoint.isReady) {
    return notConnected(endpoint, running.deadlineMs, thrown);
  }
  const { requestId } = running;
  const failure = failureOf(thrown, { requestId, endpoint: endpoint.address });
  const isOurs =
    failure.kind === "answered" && failure.error.code === "DEADLINE_EXCEEDED" && isBare(thrown);
  if (!isOurs) return failure;
  const about = { name: nameOf(running.method), deadlineMs: running.deadlineMs, requestId };
  return { kind: "answered", error: noAnswer(endpoint, about, thrown) };
}

/** The client's own report that the time is up, which says nothing of why. */
function isBare({ details }: WireError): boolean {
  return /^Deadline exceeded/.test(details);
}

export function noAnswer(
  { address, last }: Endpoint,
  call: {
    readonly name: string;
    readonly deadlineMs: number;
    readonly requestId?: string | undefined;
  },
  cause?: unknown,
): LedgerError {
  const { name, deadlineMs, requestId } = call;
  const message = `${address} is connected, but did not answer "${name}" within ${deadlineMs} ms${before(last)}`;
  const details = { endpoint: address, deadlineMs, ...(requestId !== undefined && { requestId }) };
  return new LedgerError("DEADLINE_EXCEEDED", message, { details, cause });
}

/** What an endpoint met last, behind what it meets now. */
export function before(last: EndpointFailure | undefined): string {
  return last === undefined ? "" : `, before that: ${last.message}`;
}

/** `waitedMs`: how long a connection was waited for. */
export function notConnected(endpoint: Endpoint, waitedMs: number, error?: unknown): Failure {
  const waited = Math.max(0, Math.round(waitedMs));
  const message = `no connection within ${waited} ms${before(endpoint.last)}`;
  return { kind: "transport", cause: "timeout", message, sent: false, error };
}

/** INV-SDK-15: every endpoint is being left alone. */
export function circuitOpen(
  call: { readonly name: string; readonly requestId: string },
  endpoints: readonly Endpoint[],
  retryAfterMs: number,
): LedgerError {
  const found = endpoints
    .map(({ address, last }) => `${address}: ${last?.message ?? "it failed several times"}`)
    .join("; ");
  const message = `"${call.name}" was not sent: every endpoint failed several times in a row; ${found}`;
  return new LedgerError("CIRCUIT_OPEN", message, {
    details: { requestId: call.requestId },
    retryAfterMs: Math.ceil(retryAfterMs),
  });
}
