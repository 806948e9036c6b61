/**
 * What is pinned per vault, as text: the anchor, the newest verified head and the configuration's hash.
 *
 *     {"version":1,"anchor":"...","head":{"size":"7","root":"<hex>","note":"..."},"config_hash":"<hex>","policy":"..."}
 *
 * with the policy's text where the vault has come to another one than the anchor names.
 */
import {
  decodePolicy,
  encodePolicy,
  parseTrustAnchor,
  type TrustState,
  trustFromAnchor,
} from "@authledger/proof";
import { decodeUtf8, fromHex, type Hasher, LedgerError, toHex, utf8 } from "@authledger/types";

const VERSION = 1;

/** A trust with the text of the anchor that it began with. */
export interface PinnedTrust {
  readonly anchor: string;
  readonly trust: TrustState;
}

/** @throws LedgerError PROOF_INVALID when the text is no anchor */
export function pinAnchor(hasher: Hasher, anchor: string): PinnedTrust {
  return { anchor: anchor.trim(), trust: trustFromAnchor(parseTrustAnchor(hasher, anchor)) };
}

export function formatPinned({ anchor, trust }: PinnedTrust): string {
  const { head, configHash, policy } = trust;
  const text = decodeUtf8(encodePolicy(policy))!;
  return `${JSON.stringify({
    version: VERSION,
    anchor,
    head: { size: String(head.size), root: toHex(head.root), note: head.note },
    config_hash: configHash === undefined ? null : toHex(configHash),
    policy: anchor.includes(text) ? undefined : text,
  })}\n`;
}

/** @throws LedgerError CODEC_DECODE when the text is not one that `formatPinned` made */
export function parsePinned(hasher: Hasher, text: string): PinnedTrust {
  try {
    return read(hasher, JSON.parse(text) as unknown);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new LedgerError("CODEC_DECODE", `the pinned root of a vault cannot be read: ${why}`, {
      cause,
    });
  }
}

function read(hasher: Hasher, record: unknown): PinnedTrust {
  const { version, anchor, head, config_hash, policy: text } = record as Record<string, unknown>;
  if (version !== VERSION) throw new Error(`version ${String(version)}`);
  if (typeof anchor !== "string") throw new Error("no anchor");
  const { size, root, note } = head as Record<string, unknown>;
  if (typeof note !== "string") throw new Error("no note");
  const first = pinAnchor(hasher, anchor);
  const configHash = config_hash === null ? undefined : hashOf(config_hash);
  const newest = { size: sizeOf(size), root: hashOf(root), note };
  const policy = typeof text === "string" ? decodePolicy(hasher, utf8(text)) : first.trust.policy;
  return { anchor, trust: { ...first.trust, policy, head: newest, configHash } };
}

function sizeOf(text: unknown): bigint {
  if (typeof text === "string" && /^[1-9][0-9]{0,18}$/.test(text)) return BigInt(text);
  throw new Error("the size is not a number");
}

function hashOf(text: unknown): Uint8Array {
  const bytes = typeof text === "string" ? fromHex(text) : undefined;
  if (bytes?.length === 32) return bytes;
  throw new Error("a hash is not 64 hex digits");
}
