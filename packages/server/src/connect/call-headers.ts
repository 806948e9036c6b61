/** What the headers of a request over HTTP say of its call. */
import type { IncomingHttpHeaders } from "node:http";
import { LedgerError } from "@authledger/types";
import { Metadata } from "@grpc/grpc-js";

/** How the bytes of a request and its answer are written. */
export interface ContentType {
  readonly isJson: boolean;
  /** Enveloped messages, as streams have them. */
  readonly isStream: boolean;
}

const TYPES: Readonly<Record<string, ContentType>> = {
  "application/proto": { isJson: false, isStream: false },
  "application/json": { isJson: true, isStream: false },
  "application/connect+proto": { isJson: false, isStream: true },
  "application/connect+json": { isJson: true, isStream: true },
};

/** What a client may send, for the answer to one that sent something else. */
export const CONTENT_TYPES: readonly string[] = Object.keys(TYPES);

/** What belongs to one connection, to HTTP itself, or to the browser and not to the call. */
const NOT_OF_THE_CALL =
  /^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|host|expect|via|cookie|origin|referer|priority|proxy-.*|content-.*|accept.*|access-control-.*|connect-.*|sec-.*|grpc-.*|if-.*|cache-control|pragma)$/;
/** gRPC would call the rest a protocol error. */
const NAME = /^[a-z0-9_.-]{1,128}$/;
const VALUE = /^[\x20-\x7e]*$/;
/** Ten digits, says the protocol. */
const TIMEOUT = /^[0-9]{1,10}$/;

/** Undefined: something else. */
export function contentTypeOf(headers: IncomingHttpHeaders): ContentType | undefined {
  const [type = "", ...parameters] = (headers["content-type"] ?? "").toLowerCase().split(";");
  const isUtf8 = parameters.every((text) => /^\s*charset="?utf-8"?\s*$/.test(text));
  const name = type.trim();
  return isUtf8 && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
}

/** @throws LedgerError INVALID_ARGUMENT for another version or a timeout that is none, UNIMPLEMENTED for compression */
export function requireProtocol(headers: IncomingHttpHeaders, { isStream }: ContentType): void {
  const version = headers["connect-protocol-version"];
  if (version !== undefined && version !== "1") {
    throw invalid("connect-protocol-version", `"${String(version).slice(0, 20)}" is not 1`);
  }
  const encoding = headers[isStream ? "connect-content-encoding" : "content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    const message = `requests compressed with "${String(encoding).slice(0, 20)}" are not taken; send them as they are`;
    throw new LedgerError("UNIMPLEMENTED", message);
  }
}

/** Milliseconds since 1970; infinite without a timeout. @throws LedgerError INVALID_ARGUMENT */
export function deadlineOf(headers: IncomingHttpHeaders, nowMs: number): number {
  const timeout = headers["connect-timeout-ms"];
  if (timeout === undefined) return Number.POSITIVE_INFINITY;
  if (typeof timeout === "string" && TIMEOUT.test(timeout)) return nowMs + Number(timeout);
  throw invalid("connect-timeout-ms", "it is not a number of up to ten digits");
}

/** The headers that are the call's own, as gRPC has them. @throws LedgerError INVALID_ARGUMENT */
export function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || NOT_OF_THE_CALL.test(name) || !NAME.test(name)) continue;
    for (const one of typeof value === "string" ? [value] : value) {
      if (!VALUE.test(one)) throw invalid(name, "it is not printable ASCII");
      metadata.add(name, name.endsWith("-bin") ? Buffer.from(one, "base64") : one);
    }
  }
  return metadata;
}

function invalid(name: string, why: string): LedgerError {
  const message = `the header ${name}: ${why}`;
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field: name } });
}
