/** Tokens of a fake ledger. They are checked as a node checks its own, and mean nothing to a node. */
import { ByteReader, ByteWriter, LedgerError } from "@authledger/types";
import type { VaultName } from "../options.js";

const CONSISTENCY = 0xfa;
const PAGE = 0xfb;

export interface TokenPoint extends VaultName {
  readonly height: number;
  readonly index: number;
}

export function encodeToken({ organization, vault, height, index }: TokenPoint): Uint8Array {
  const out = new ByteWriter(33).u8(CONSISTENCY).u64(organization).u64(vault);
  return out.u64(height).u64(index).finish();
}

/** @throws LedgerError TOKEN_INVALID */
export function decodeToken(bytes: Uint8Array): TokenPoint {
  try {
    const input = new ByteReader(bytes, "consistency token");
    if (input.u8("version") !== CONSISTENCY) throw new Error("not of a fake ledger");
    const organization = input.u64("organization");
    const vault = input.u64("vault");
    const height = input.safeU64("height");
    const index = input.safeU64("index");
    input.end();
    return { organization, vault, height, index };
  } catch (cause) {
    throw new LedgerError("TOKEN_INVALID", "the consistency token is not one of this ledger", {
      details: { field: "consistency.at_least" },
      cause,
    });
  }
}

/** A position in the list of a query. */
export function encodePageToken(query: string, position: Uint8Array): Uint8Array {
  return new ByteWriter(96).u8(PAGE).lp16(query).bytes(position).finish();
}

/** Undefined for the empty token of a first page. @throws LedgerError PAGE_TOKEN_INVALID */
export function decodePageToken(query: string, token: Uint8Array): Uint8Array | undefined {
  if (token.length === 0) return undefined;
  try {
    const input = new ByteReader(token, "page token");
    if (input.u8("version") !== PAGE || input.lp16("query") !== query) throw new Error("another");
    return input.bytes(input.remaining, "position").slice();
  } catch (cause) {
    throw new LedgerError("PAGE_TOKEN_INVALID", "the page token is not one of this query", {
      details: { field: "page_token" },
      cause,
    });
  }
}

/** Where a list of relationships goes on: all its pages are of one height and one time. */
export interface ListPosition {
  readonly height: number;
  readonly timeMs: number;
  readonly path: Uint8Array;
}

export function encodeListPosition({ height, timeMs, path }: ListPosition): Uint8Array {
  return new ByteWriter(64).u64(height).u64(timeMs).bytes(path).finish();
}

export function decodeListPosition(bytes: Uint8Array): ListPosition {
  const input = new ByteReader(bytes, "list position");
  const height = input.safeU64("height");
  const timeMs = input.safeU64("time");
  return { height, timeMs, path: input.bytes(input.remaining, "path").slice() };
}
