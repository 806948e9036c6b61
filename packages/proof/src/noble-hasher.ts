/** SHA-256 of @noble/hashes, for browsers and wherever node:crypto is not. */
import type { Hasher } from "@authledger/types";
import { sha256 } from "@noble/hashes/sha2.js";

export const nobleHasher: Hasher = {
  sha256: (data) => sha256(data),
  sha256Into: (data, out, offset) => out.set(sha256(data), offset),
};
