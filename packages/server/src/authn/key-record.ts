/** What the system vault holds of an API key, under `key:<id>`: JSON, and the hash of its secret only. */
import { utf8 } from "@authledger/types";
import { z } from "zod";

export interface KeyRecord {
  readonly name: string;
  /** Whom it stands for. */
  readonly principal: string;
  readonly kind: "root" | "key";
  /** SHA-256 of the secret, hex digits; empty once it was revoked. */
  readonly sha256: string;
  readonly created_ms: number;
  /** 0 = never. */
  readonly expires_ms: number;
  readonly creator: string;
}

const schema: z.ZodType<KeyRecord> = z.object({
  ...{ name: z.string(), principal: z.string(), kind: z.enum(["root", "key"]) },
  sha256: z.string().regex(/^([0-9a-f]{64})?$/),
  ...{ created_ms: z.number().int(), expires_ms: z.number().int(), creator: z.string() },
});

export const KEY_PREFIX: string = "key:";

export function keyEntity(id: string): string {
  return KEY_PREFIX + id;
}

export function encodeKeyRecord(record: KeyRecord): Uint8Array {
  return utf8(JSON.stringify(record));
}

/** Undefined for a value that no version of ours wrote: it authenticates nobody. */
export function decodeKeyRecord(value: Uint8Array): KeyRecord | undefined {
  try {
    return schema.parse(JSON.parse(Buffer.from(value).toString()));
  } catch {
    return undefined;
  }
}
