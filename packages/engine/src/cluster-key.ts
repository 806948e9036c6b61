/**
 * Keys that all voters of a cluster have, for what its nodes say to each other beside the peer port: derived from the log
 * seed (HKDF-SHA256, RFC 5869), one for each purpose, so that none of them tells anything of the seed or of another.
 */
import { hkdfSync } from "node:crypto";

const SALT = "authledger cluster key v1";
const KEY_BYTES = 32;

export function clusterKey(logSeed: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", logSeed, SALT, purpose, KEY_BYTES));
}
