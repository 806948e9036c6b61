/**
 * Opaque tokens that clients hand back.
 *
 * Consistency token: `u8 version || u64 organization || u64 vault || u64 height || u64 index` (slugs; internal
 * ids never leave the server). Page token: `u8 version || position || HMAC-SHA256[0, 16)` over the query and the
 * position, so that a token of another query, or a made-up one, is refused.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { ByteReader, ByteWriter, LedgerError } from "@authledger/types";

const VERSION = 1;
const MAC_BYTES = 16;

export interface TokenPoint {
  readonly organization: bigint;
  readonly vault: bigint;
  readonly height: number;
  readonly index: number;
}

export function encodeConsistencyToken(point: TokenPoint): Uint8Array {
  const out = new ByteWriter(33).u8(VERSION).u64(point.organization).u64(point.vault);
  return out.u64(point.height).u64(point.index).finish();
}

/** @throws LedgerError TOKEN_INVALID */
export function decodeConsistencyToken(bytes: Uint8Array): TokenPoint {
  try {
    const input = new ByteReader(bytes, "consistency token");
    if (input.u8("version") !== VERSION) throw new Error("another version");
    const point = {
      organization: input.u64("organization"),
      vault: input.u64("vault"),
      height: input.safeU64("height"),
      index: input.safeU64("index"),
    };
    input.end();
    return point;
  } catch (cause) {
    throw new LedgerError("TOKEN_INVALID", "the consistency token is not one of this ledger", {
      details: { field: "consistency.at_least" },
      cause,
    });
  }
}

export class PageTokens {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  encode(query: string, position: Uint8Array): Uint8Array {
    const mac = this.#mac(query, position);
    return new ByteWriter(80).u8(VERSION).bytes(position).bytes(mac).finish();
  }

  /** The position; undefined for the empty token of a first page. @throws LedgerError PAGE_TOKEN_INVALID */
  decode(query: string, token: Uint8Array, field = "page_token"): Uint8Array | undefined {
    if (token.length === 0) return undefined;
    const position = token.slice(1, -MAC_BYTES);
    const mac = token.slice(-MAC_BYTES);
    const isOurs =
      token[0] === VERSION &&
      token.length > 1 + MAC_BYTES &&
      timingSafeEqual(mac, this.#mac(query, position));
    if (isOurs) return position;
    const message = `the ${field.replace("_", " ")} is not one of this query`;
    throw new LedgerError("PAGE_TOKEN_INVALID", message, { details: { field } });
  }

  #mac(query: string, position: Uint8Array): Buffer {
    const hmac = createHmac("sha256", this.#key).update(query).update("\0").update(position);
    return hmac.digest().subarray(0, MAC_BYTES);
  }
}
