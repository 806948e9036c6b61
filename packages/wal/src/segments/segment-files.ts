/**
 * Names of the files in the log's directory.
 *
 *   wal-<seq>.seg   a segment of the log, or the one prepared to be next
 *   free-<seq>.seg  a segment that the log no longer needs, kept for reuse
 *   *.tmp           being filled or written; worth nothing after a crash
 */
import { joinPath } from "@authledger/io";

const SEQ_DIGITS = 16;

export function segmentName(seq: number): string {
  return `wal-${hex(seq)}.seg`;
}

export function spareName(seq: number): string {
  return `free-${hex(seq)}.seg`;
}

/** While it is filled with zeros. */
export function fillName(seq: number): string {
  return `fill-${hex(seq)}.tmp`;
}

/** While the end of the log is written to it at open. */
export function newSegmentName(seq: number): string {
  return `new-${hex(seq)}.tmp`;
}

/** A file by the number in its name. */
export interface NumberedPath {
  readonly seq: number;
  readonly path: string;
}

export interface LogFiles {
  /** Ascending. */
  readonly segments: readonly NumberedPath[];
  readonly spares: readonly NumberedPath[];
  readonly temporary: readonly string[];
}

/** Sorts the names of the log's directory; others are left alone. */
export function sortFiles(directory: string, names: readonly string[]): LogFiles {
  const segments: NumberedPath[] = [];
  const spares: NumberedPath[] = [];
  const temporary: string[] = [];
  for (const name of names) {
    const path = joinPath(directory, name);
    const seq = seqIn(name, "wal-");
    const spare = seqIn(name, "free-");
    if (seq !== undefined) segments.push({ seq, path });
    else if (spare !== undefined) spares.push({ seq: spare, path });
    else if (/^(fill|new)-[0-9a-f]{16}\.tmp$/.test(name)) temporary.push(path);
  }
  segments.sort((a, b) => a.seq - b.seq);
  return { segments, spares, temporary };
}

/** The seq in `<prefix><16 hex digits>.seg`; numbers above 2^53 were never given. */
function seqIn(name: string, prefix: string): number | undefined {
  if (!name.startsWith(prefix) || !/^[0-9a-f]{16}\.seg$/.test(name.slice(prefix.length))) {
    return undefined;
  }
  const seq = Number.parseInt(name.slice(prefix.length, prefix.length + SEQ_DIGITS), 16);
  return Number.isSafeInteger(seq) ? seq : undefined;
}

function hex(seq: number): string {
  return seq.toString(16).padStart(SEQ_DIGITS, "0");
}
