/**
 * Opaque tokens that clients hand back.
 *
 * Consistency token: `u8 version || u64 organization || u64 vault || u64 height || u64 index` (slugs; internal
 * ids never leave the server). Page token: `u8 version || position || HMAC-SHA256[0, 16)` over the query and the
 * position, so that a token of another query, or a made-up one, is refused.
 *
 *   INV-TOKEN-1  A page token is read by every voter of the cluster, whichever node gave it. A node that cannot give such
 *                tokens gives none, and refuses none that a voter might read: it says who leads.
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

/** What page tokens are authenticated with. */
export interface PageTokenKeys {
  /** Which all voters have; undefined while it has not reached this node, as it never does a learner. */
  shared(): Uint8Array | undefined;
  /** Of this node alone: tokens of before there was a shared one are good where they were given. */
  readonly own: Uint8Array;
  /** What a call is refused with that needs the shared one while it is not here. */
  unshared(): LedgerError;
}

export class PageTokens {
  readonly #keys: PageTokenKeys;
  #known: Uint8Array | undefined;

  constructor(keys: PageTokenKeys) {
    this.#keys = keys;
  }

  /** @throws LedgerError NOT_LEADER, NO_LEADER, NOT_READY where no other node could read it */
  encode(query: string, position: Uint8Array): Uint8Array {
    const key = this.#shared;
    if (key === undefined) throw this.#keys.unshared();
    const mac = macOf(key, query, position);
    return new ByteWriter(80).u8(VERSION).bytes(position).bytes(mac).finish();
  }

  /**
   * The position; undefined for the empty token of a first page.
   * @throws LedgerError PAGE_TOKEN_INVALID; NOT_LEADER, NO_LEADER, NOT_READY where only another node can tell
   */
  decode(query: string, token: Uint8Array, field = "page_token"): Uint8Array | undefined {
    if (token.length === 0) return undefined;
    const shared = this.#shared;
    if (token[0] === VERSION && token.length > 1 + MAC_BYTES) {
      const position = token.slice(1, -MAC_BYTES);
      const mac = token.slice(-MAC_BYTES);
      const isOf = (key: Uint8Array): boolean => timingSafeEqual(mac, macOf(key, query, position));
      if ((shared !== undefined && isOf(shared)) || isOf(this.#keys.own)) return position;
      if (shared === undefined) throw this.#keys.unshared();
    }
    const message = `the ${field.replace("_", " ")} is not one of this query`;
    throw new LedgerError("PAGE_TOKEN_INVALID", message, { details: { field } });
  }

  /** It may come at any time, and stays. */
  get #shared(): Uint8Array | undefined {
    this.#known ??= this.#keys.shared();
    return this.#known;
  }
}

function macOf(key: Uint8Array, query: string, position: Uint8Array): Buffer {
  const hmac = createHmac("sha256", key).update(query).update("\0").update(position);
  return hmac.digest().subarray(0, MAC_BYTES);
}
