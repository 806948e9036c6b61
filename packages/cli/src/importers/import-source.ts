/**
 * What an importer is: a source of operations, read once from front to back. It knows nothing of servers,
 * transactions or progress bars; `chunker.ts` groups what it yields, and the import command sends it.
 *
 *   INV-IMPORT-1  A bad line or an unreadable file becomes a rejected item with position and reason, and the
 *                 source goes on. Only what makes the whole source unreadable is thrown.
 *   INV-IMPORT-2  A source holds at most one batch, one line and the names of the directories it stands in,
 *                 however long it is. It reads on only when its consumer asks for the next batch.
 *   INV-IMPORT-3  The same input gives the same items in the same order; this is what makes an import
 *                 resumable (chunker.ts).
 */
import type { Operation } from "@authledger/types";

/** The operations that an import may contain. They are unconditional, so that repeating one is harmless. */
export type ImportOperation = Extract<
  Operation,
  { readonly op: "create_tuple" | "delete_tuple" | "set_entity" | "delete_entity" }
>;

/** One operation, or one thing of the input that could not become one. */
export type SourceItem =
  | {
      readonly kind: "operation";
      /** Where it comes from, for people: `line 17`, or a path. */
      readonly position: string;
      readonly operation: ImportOperation;
    }
  | RejectedItem;

export interface RejectedItem {
  readonly kind: "rejected";
  readonly position: string;
  /** Number of the line, from 1, where the input has lines. */
  readonly line?: number;
  /** Why, in one line of printable text. */
  readonly reason: string;
}

/** A source of operations in batches. */
export interface ImportSource {
  /** For messages and progress: `tuples.ndjson`. */
  readonly name: string;
  /** Names this input in idempotency keys; the same input has the same identity at every run. */
  readonly identity: string;
  /** About how many operations there will be; undefined when that cannot be known cheaply. */
  readonly estimate?: () => Promise<number | undefined>;
  /** @throws LedgerError when the source as a whole cannot be read. */
  items(): AsyncIterable<readonly SourceItem[]>;
}

/** Characters of a reason; what is longer hides the next line on the terminal. */
const REASON_CHARACTERS_MAX = 300;

/**
 * A rejected item. The reason often quotes the input, which may hold control characters that would steer the
 * reader's terminal; they are shown as escapes.
 */
export function rejected(position: string, reason: string, line?: number): RejectedItem {
  const item = { kind: "rejected", position, reason: printable(reason) } as const;
  return line === undefined ? item : { ...item, line };
}

function printable(text: string): string {
  const shown =
    text.length > REASON_CHARACTERS_MAX ? `${text.slice(0, REASON_CHARACTERS_MAX)}...` : text;
  let out = "";
  for (const character of shown) {
    const code = character.codePointAt(0)!;
    out += isUnprintable(code) ? `\\u${code.toString(16).padStart(4, "0")}` : character;
  }
  return out;
}

/** Control characters, halves of a cut pair, line separators, and the marks that reorder a line of text. */
function isUnprintable(code: number): boolean {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  if (code >= 0xd800 && code <= 0xdfff) return true;
  return (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}
