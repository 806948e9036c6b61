/**
 * What an auditor has verified, as a file: the anchor it began with, the position in the history up to which every
 * block was executed, the newest signed head, and the policies that the vault has come to (none in files of before).
 *
 *   INV-AUDIT-2  The file is replaced whole (written beside, synced, renamed, directory synced) and only ever holds
 *                what was verified: after a crash the auditor goes on from the old position or the new one.
 */
import { readFile } from "node:fs/promises";
import {
  decodeHeader,
  type HistoryPosition,
  type PolicyReceipt,
  type TrustedHead,
} from "@authledger/proof";
import { fromHex, LedgerError, toHex } from "@authledger/types";
import { parsePolicies, policiesField } from "../run/policy-list.js";

const VERSION = 1;

export interface AuditHead {
  /** The anchor's text. */
  readonly anchor: string;
  readonly origin: string;
  /** Every block below `position.size` was executed. */
  readonly position: HistoryPosition;
  readonly head: TrustedHead;
  /** Those behind the anchor's, in order. */
  readonly policies: readonly PolicyReceipt[];
  /** When it was saved, in milliseconds. */
  readonly savedAtMs: number;
}

export function formatAuditHead(state: AuditHead): string {
  const { anchor, origin, position, head, policies, savedAtMs } = state;
  const { size, range, header } = position;
  return `${JSON.stringify(
    {
      version: VERSION,
      origin,
      blocks: size,
      range: range.map(toHex),
      header: header === undefined ? null : toHex(header),
      head: { size: String(head.size), root: toHex(head.root), note: head.note },
      ...policiesField(policies),
      saved_at_ms: savedAtMs,
      anchor,
    },
    null,
    2,
  )}\n`;
}

/** @throws LedgerError CODEC_DECODE */
export function parseAuditHead(text: string): AuditHead {
  try {
    const saved = JSON.parse(text) as Saved;
    if (saved.version !== VERSION) throw new Error(`version ${String(saved.version)}`);
    const header = saved.header === null ? undefined : fromHex(saved.header);
    const position = { size: saved.blocks, range: saved.range.map(fromHex), header };
    if (header !== undefined && decodeHeader(header).height !== saved.blocks - 1) {
      throw new Error("its header is of another block");
    }
    const { size, root, note } = saved.head;
    for (const text of [saved.anchor, saved.origin, note]) {
      if (typeof text !== "string") throw new Error("a text is missing");
    }
    for (const number of [saved.blocks, saved.saved_at_ms]) {
      if (!Number.isSafeInteger(number) || number < 0) throw new Error("a number is missing");
    }
    return {
      anchor: saved.anchor,
      origin: saved.origin,
      position,
      head: { size: BigInt(size), root: fromHex(root), note },
      policies: parsePolicies(saved.policies),
      savedAtMs: saved.saved_at_ms,
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the saved head of the audit cannot be read: ${why}`;
    throw new LedgerError("CODEC_DECODE", message, { cause });
  }
}

interface Saved {
  readonly version: number;
  readonly origin: string;
  readonly blocks: number;
  readonly range: readonly string[];
  readonly header: string | null;
  readonly head: { readonly size: string; readonly root: string; readonly note: string };
  readonly policies?: unknown;
  readonly saved_at_ms: number;
  readonly anchor: string;
}

/** Undefined when there is none. @throws LedgerError IO_READ_FAILED, CODEC_DECODE */
export async function loadAuditHead(path: string): Promise<AuditHead | undefined> {
  try {
    return parseAuditHead(await readFile(path, "utf8"));
  } catch (cause) {
    if (cause instanceof LedgerError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const message = `cannot read ${path}: ${(cause as Error).message}`;
    throw new LedgerError("IO_READ_FAILED", message, { details: { path }, cause });
  }
}
