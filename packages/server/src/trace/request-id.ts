/**
 * What names one call in logs, errors, traces and the audit log.
 *
 *   INV-TRACE-1  A call has one request id, the client's where it is well-formed, on every node that it passes.
 */
import { randomBytes } from "node:crypto";
import type { Metadata } from "@grpc/grpc-js";

/** On a request: the client's name for it. On an error's trailer: the id that the node's log has. */
export const REQUEST_ID_KEY = "x-request-id";

/** Printable ASCII without spaces, 1 to 128 characters: whatever else a client sends is replaced. */
const WELL_FORMED = /^[!-~]{1,128}$/;
/** Ids that this process makes differ from those of all others by this. */
const PREFIX = randomBytes(6).toString("hex");
let made = 0;

/** The client's id for a call, or a new one. */
export function requestIdOf(metadata: Metadata): string {
  const [given] = metadata.get(REQUEST_ID_KEY);
  return typeof given === "string" && WELL_FORMED.test(given) ? given : newRequestId();
}

/** Unique: random for each process, then counted. */
export function newRequestId(): string {
  return `${PREFIX}-${(++made).toString(36)}`;
}
