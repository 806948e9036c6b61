/**
 * Heads that contradict each other, kept as files of the data directory (docs/format/cosign.md): whoever has both can show
 * that somebody signed two histories. One file for each pair, named after what it says.
 *
 *   INV-COSIGN-6  Evidence is durable before it is told, it is kept once, and there is room for so many files and no more.
 */
import { type Disk, joinPath, replaceFile } from "@authledger/io";
import { type Hasher, toHex, utf8 } from "@authledger/types";

/** Files that are kept; the first ones matter most. */
export const EVIDENCE_FILES_MAX = 64;
const DIRECTORY = "evidence";
const NAME_DIGITS = 32;

/** Two heads that cannot both be of one history. */
export interface Evidence {
  readonly origin: string;
  /** Milliseconds since 1970. */
  readonly seenMs: number;
  /** Who showed it: "peer <node id>" or "client". */
  readonly from: string;
  /** The note that contradicts what this node has. */
  readonly received: string;
  /** The root of this node's own history at the size of that note, 64 hex digits. */
  readonly ownRoot: string;
  /** The newest head that this node itself has signed; empty where it has signed none. */
  readonly own: string;
}

export class EvidenceStore {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #hasher: Hasher;
  readonly #names: Set<string>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(directory: string, disk: Disk, hasher: Hasher, names: readonly string[]) {
    this.#directory = directory;
    this.#disk = disk;
    this.#hasher = hasher;
    this.#names = new Set(names);
  }

  static async open(
    dataDirectory: string,
    { disk, hasher }: { readonly disk: Disk; readonly hasher: Hasher },
  ): Promise<EvidenceStore> {
    const directory = joinPath(dataDirectory, DIRECTORY);
    const names = (await disk.list(directory)).filter((name) => name.endsWith(".json"));
    return new EvidenceStore(directory, disk, hasher, names);
  }

  /** The files, sorted by name. */
  get files(): readonly string[] {
    return [...this.#names].sort().map((name) => `${DIRECTORY}/${name}`);
  }

  /**
   * Keeps a pair, unless it is kept already or there is no room. True when it is new and durable.
   * @throws LedgerError of the disk
   */
  keep(evidence: Evidence): Promise<boolean> {
    const kept = this.#turn.then(() => this.#keep(evidence));
    this.#turn = kept.catch(() => undefined);
    return kept;
  }

  async #keep(evidence: Evidence): Promise<boolean> {
    const { origin, received, ownRoot } = evidence;
    const body = received.slice(0, received.indexOf("\n\n") + 1);
    const digest = this.#hasher.sha256(utf8(`${origin}\n${body}${ownRoot}`));
    const name = `${toHex(digest).slice(0, NAME_DIGITS)}.json`;
    if (this.#names.has(name) || this.#names.size >= EVIDENCE_FILES_MAX) return false;
    await this.#disk.makeDirectory(this.#directory);
    const text = `${JSON.stringify(fieldsOf(evidence), undefined, 2)}\n`;
    await replaceFile(this.#disk, joinPath(this.#directory, name), utf8(text));
    this.#names.add(name);
    return true;
  }
}

function fieldsOf({ origin, seenMs, from, received, ownRoot, own }: Evidence): object {
  return { origin, seen_ms: seenMs, from, received, own_root: ownRoot, own };
}
