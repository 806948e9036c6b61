/**
 * Which files make up the log: the newest segment with a valid header, and from it back to the first.
 *
 *   INV-CHAIN-1  Each segment names the one before it and the last batch there that counts. A segment that nobody
 *                names is not part of the log; one that is named and missing or unreadable is damage, unless the
 *                log itself says that it was released.
 */
import type { Disk, DiskFile } from "@authledger/io";
import { equalBytes, LedgerError, toHex } from "@authledger/types";
import { decodeSegmentHeader, type SegmentHeader } from "../format/segment-header.js";
import { BLOCK_BYTES, SEGMENT_BYTES_MIN } from "../limits.js";
import type { LogFiles } from "../segments/segment-files.js";
import { corrupt } from "./corruption.js";

/** A file with a segment's name. */
export interface NamedFile {
  readonly seq: number;
  readonly path: string;
  readonly file: DiskFile;
  /** Undefined when it is not valid; `why` says what is wrong then. */
  readonly header: SegmentHeader | undefined;
  readonly why: string;
}

export interface Chain {
  /** Oldest first; at least one, all with headers. */
  readonly links: readonly { readonly named: NamedFile; readonly header: SegmentHeader }[];
  /** Behind the newest: prepared for use and never used, unless they hold batches. */
  readonly behind: readonly NamedFile[];
  /** Not part of the log: left behind by a release or an earlier open. */
  readonly others: readonly NamedFile[];
}

/** Opens every file with a segment's name and reads its header. */
export async function openNamed(disk: Disk, files: LogFiles): Promise<NamedFile[]> {
  const named: NamedFile[] = [];
  try {
    for (const { seq, path } of files.segments) {
      const file = await disk.open(path, { isLog: true });
      named.push({ seq, path, file, header: undefined, why: "" });
      named[named.length - 1] = readHeader(seq, path, file);
    }
  } catch (error) {
    for (const { file } of named) await file.close();
    throw error;
  }
  return named;
}

function readHeader(seq: number, path: string, file: DiskFile): NamedFile {
  const block = new Uint8Array(BLOCK_BYTES);
  const length = file.readSync(block, 0);
  const reading = decodeSegmentHeader(block.subarray(0, length), seq);
  switch (reading.kind) {
    case "valid":
      return { seq, path, file, header: reading.header, why: "" };
    case "invalid":
      return { seq, path, file, header: undefined, why: reading.why };
    case "newer": {
      const message = `${path} is of log format ${reading.format}; this version reads up to 1`;
      throw new LedgerError("FORMAT_NEWER", message, { details: { file: path } });
    }
  }
}

/** Follows the chain back from the newest segment. @throws LedgerError WAL_CORRUPT */
export function followChain(named: readonly NamedFile[]): Chain {
  const bySeq = new Map(named.map((file) => [file.seq, file]));
  const newest = named.findLast((file) => file.header !== undefined);
  if (newest?.header === undefined) {
    const first = named[0];
    throw corrupt(first?.path ?? "", 0, `no segment has a valid header; ${first?.why}`);
  }
  const links: { named: NamedFile; header: SegmentHeader }[] = [];
  let at: NamedFile | undefined = newest;
  while (at !== undefined) {
    const { header } = at;
    if (header === undefined) throw corrupt(at.path, 0, `it is part of the log, but ${at.why}`);
    checkLink(at, header, newest.header);
    links.unshift({ named: at, header });
    at = bySeq.get(header.prevSeq);
  }
  const inLog = new Set(links.map((link) => link.named));
  const rest = named.filter((file) => !inLog.has(file));
  const behind = rest.filter((file) => file.seq > newest.seq);
  behind.forEach(requireWhole);
  return {
    links,
    behind,
    others: rest.filter((file) => file.seq < newest.seq),
  };
}

/** A file gets a segment's name only when it is filled (INV-SEGPOOL-2): a shorter one was cut, and may have been the end. */
function requireWhole({ path, file }: NamedFile): void {
  const size = file.size();
  if (size >= SEGMENT_BYTES_MIN) return;
  throw corrupt(path, size, `it is cut: no segment is shorter than ${SEGMENT_BYTES_MIN} bytes`);
}

function checkLink(named: NamedFile, header: SegmentHeader, newest: SegmentHeader): void {
  if (!equalBytes(header.uuid, newest.uuid)) {
    const why = `it belongs to log ${toHex(header.uuid)}, the newest segment to ${toHex(newest.uuid)}`;
    throw corrupt(named.path, 0, why);
  }
  const size = named.file.size();
  if (size < header.segmentBytes) {
    throw corrupt(named.path, size, `the file should have ${header.segmentBytes} bytes`);
  }
}
