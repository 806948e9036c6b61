/**
 * Which web pages may call (fetch.spec.whatwg.org, "CORS protocol").
 *
 *   INV-CONNECT-2  A call of a web page whose origin is not on the list is refused before it is read, whatever it asks.
 *
 * Browsers name the origin of the page with every POST, also where the page's own name leads to this node: a page that
 * makes its name point to a loopback address gets no further than any other one.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { LedgerError } from "@authledger/types";

/** So long a browser may remember the answer, in seconds; Chromium keeps it for two hours at most. */
const PREFLIGHT_MAX_AGE_S = 7_200;
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "connect-protocol-version",
  "connect-timeout-ms",
  "x-request-id",
  "traceparent",
  "tracestate",
] as const;
const OUR_HEADER = /^authledger-[a-z-]{1,40}$/;

export class Cors {
  readonly #origins: ReadonlySet<string>;

  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** Says to the browser what its page may see. @throws LedgerError ORIGIN_NOT_ALLOWED */
  admit({ headers }: IncomingMessage, response: ServerResponse): void {
    response.setHeader("vary", "Origin");
    const { origin } = headers;
    if (origin === undefined) return;
    if (!this.#origins.has(origin)) throw notAllowed(origin);
    response.setHeader("access-control-allow-origin", origin);
    response.setHeader("access-control-expose-headers", "retry-after, trailer-authledger-leader");
  }

  /** Answers what a browser asks before it sends the call of a page. */
  preflight({ headers }: IncomingMessage, response: ServerResponse): void {
    const asked = (headers["access-control-request-headers"] ?? "").split(",");
    const ours = asked
      .map((name) => name.trim().toLowerCase())
      .filter((name) => OUR_HEADER.test(name));
    response.setHeader("access-control-allow-methods", "POST");
    response.setHeader("access-control-allow-headers", [...REQUEST_HEADERS, ...ours].join(", "));
    response.setHeader("access-control-max-age", String(PREFLIGHT_MAX_AGE_S));
    response.writeHead(204).end();
  }
}

function notAllowed(origin: string): LedgerError {
  const shown = origin.slice(0, 100);
  const message = `pages of "${shown}" may not call this node`;
  return new LedgerError("ORIGIN_NOT_ALLOWED", message, { details: { origin: shown } });
}
