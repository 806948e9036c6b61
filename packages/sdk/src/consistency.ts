/**
 * How fresh an answer must be, as one readable argument of every read.
 *
 * What of that a client that verifies can refuse to be lied to about is said at each. The rest is the server's word: what nobody has
 * signed cannot be checked, and a signature says that these were all blocks at its time, in whole seconds, by the clocks of
 * those who signed.
 */
import { fromBase64, toBase64 } from "@authledger/proof";
import type { common } from "@authledger/proto";
import { LedgerError } from "@authledger/types";

/** Opaque and printable: a point of a vault's history, from an earlier answer. */
export type ConsistencyToken = string;

export type Consistency =
  | { readonly kind: "linearizable" }
  | { readonly kind: "at_least"; readonly token: ConsistencyToken }
  | { readonly kind: "any"; readonly maxStalenessMs: number }
  | { readonly kind: "at_height"; readonly height: bigint };

/**
 * Sees every write that was acknowledged before the call began. The default. A verifying client requires the last block of a head that
 * is no older than any that it has verified, and was signed within `maxAgeS`: what others wrote since then a server that lies may
 * hold back.
 */
export const linearizable: Consistency = { kind: "linearizable" };

/**
 * Sees at least what the answer with this token saw: read your own writes, from any replica. A verifying client requires the height
 * that came with the token, of those that this client was given with writes and verified answers (the newest 4,096). Of a token from
 * elsewhere (another process, an erasure, a deletion by filter, an answer without proof) it is the server's word.
 * @example await client.check(tuple, { consistency: atLeast(written.token) });
 */
export function atLeast(token: ConsistencyToken): Consistency {
  return { kind: "at_least", token };
}

/**
 * Any replica whose answer is at most so old; 0 = any age. A verifying client requires the last block of a head that was signed since
 * then, give or take `maxSkewS` for the clocks; with 0 any block of the history will do.
 */
export function anyReplica(options: { readonly maxStalenessMs?: number } = {}): Consistency {
  return { kind: "any", maxStalenessMs: options.maxStalenessMs ?? 0 };
}

/**
 * The state as of a block; expiry is judged by the time of that block. A verifying client requires a proof of exactly
 * this height, and the answer is historical whatever is newest.
 * @example const then = await client.check(tuple, { consistency: atHeight(5n) });
 */
export function atHeight(height: bigint): Consistency {
  return { kind: "at_height", height };
}

const TOKEN_CHARACTERS_MAX = 1_024;
const HEIGHT_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export function tokenOf(bytes: Uint8Array): ConsistencyToken {
  // As addresses take it (RFC 4648, section 5).
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** @throws LedgerError TOKEN_INVALID, INVALID_ARGUMENT */
export function consistencyMessage(consistency: Consistency | undefined): common.Consistency {
  const chosen = consistency ?? linearizable;
  switch (chosen.kind) {
    case "linearizable":
      return { requirement: { $case: "linearizable", value: {} } };
    case "at_least":
      return { requirement: { $case: "atLeast", value: tokenBytes(chosen.token) } };
    case "any": {
      const { maxStalenessMs } = chosen;
      if (!Number.isSafeInteger(maxStalenessMs) || maxStalenessMs < 0) {
        const message = `maxStalenessMs: ${maxStalenessMs} is not a whole number from 0`;
        throw new LedgerError("INVALID_ARGUMENT", message, {
          details: { field: "maxStalenessMs" },
        });
      }
      return { requirement: { $case: "any", value: { maxStalenessMs: BigInt(maxStalenessMs) } } };
    }
    case "at_height": {
      const { height } = chosen;
      if (height < 0n || height > HEIGHT_MAX) {
        throw new LedgerError("INVALID_ARGUMENT", `height: ${height} is not from 0 to 2^53 - 1`, {
          details: { field: "height" },
        });
      }
      return { requirement: { $case: "atHeight", value: height } };
    }
  }
}

function tokenBytes(token: ConsistencyToken): Uint8Array {
  if (/^[A-Za-z0-9_-]+$/.test(token) && token.length <= TOKEN_CHARACTERS_MAX) {
    const padding = "=".repeat((4 - (token.length % 4)) % 4);
    const bytes = fromBase64(token.replaceAll("-", "+").replaceAll("_", "/") + padding);
    if (bytes !== undefined) return bytes;
  }
  throw new LedgerError("TOKEN_INVALID", "the consistency token is not one of this ledger", {
    details: { field: "consistency" },
  });
}
