/**
 * Cuts a stream of bytes into lines at 0x0a. Bytes, not text: a character that is cut in two by the borders of
 * a read stays whole, and invalid UTF-8 in one line harms no other.
 *
 * A line over the limit is skipped to its end without being kept, and reported with its length. A byte order
 * mark at the very start is dropped; a carriage return in front of the line feed belongs to the line end.
 */
import { ByteWriter } from "@authledger/types";

export type Line =
  | { readonly kind: "line"; readonly number: number; readonly bytes: Uint8Array }
  | { readonly kind: "too_long"; readonly number: number; readonly length: number };

/** A longer chunk of the stream is looked at in pieces of so many bytes, so that batches stay small. */
const PIECE_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** The lines of each piece of the stream. Lines are views: they hold until the next batch is asked for. */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<readonly Line[], void, undefined> {
  const splitter = new LineSplitter(lineBytesMax);
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const lines = splitter.push(chunk.subarray(at, at + PIECE_BYTES));
      if (lines.length > 0) yield lines;
    }
  }
  const last = splitter.finish();
  if (last !== undefined) yield [last];
}

class LineSplitter {
  readonly #lineBytesMax: number;
  /** The line that has begun and not ended; dropped once it is too long. */
  readonly #begun = new ByteWriter();
  /** Bytes of that line, also those that were dropped. */
  #length = 0;
  #number = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  push(piece: Uint8Array): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (;;) {
      const end = piece.indexOf(LINE_FEED, start);
      if (end < 0) break;
      lines.push(this.#endLine(piece.subarray(start, end)));
      start = end + 1;
    }
    if (start < piece.length) this.#keep(piece.subarray(start));
    return lines;
  }

  /** The last line, where the stream does not end in a line feed. */
  finish(): Line | undefined {
    return this.#length === 0 ? undefined : this.#endLine(new Uint8Array(0));
  }

  #keep(bytes: Uint8Array): void {
    this.#length += bytes.length;
    if (this.#tooLong(this.#length)) this.#begun.clear();
    else this.#begun.bytes(bytes);
  }

  /** Room for what is cut off later: the mark in front of the first line and a carriage return. */
  #tooLong(length: number): boolean {
    return length > this.#lineBytesMax + 4;
  }

  #endLine(rest: Uint8Array): Line {
    const length = this.#length + rest.length;
    const isWhole = this.#length === 0;
    this.#length = 0;
    this.#number += 1;
    const number = this.#number;
    const fits = !this.#tooLong(length);
    const whole = isWhole || !fits ? rest : this.#begun.bytes(rest).finish();
    this.#begun.clear();
    if (!fits) return { kind: "too_long", number, length };
    const bytes = withoutEnds(whole, number === 1);
    if (bytes.length > this.#lineBytesMax) return { kind: "too_long", number, length };
    return { kind: "line", number, bytes };
  }
}

function withoutEnds(line: Uint8Array, isFirst: boolean): Uint8Array {
  const marked = isFirst && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf;
  const returned = line.at(-1) === CARRIAGE_RETURN;
  return line.subarray(marked ? 3 : 0, returned ? line.length - 1 : line.length);
}
