/** The chain of a vault's headers, the nodes of its history tree, and the transactions of its blocks. */
import {
  type BlockHeader,
  blockHash,
  CompactRange,
  decodeHeader,
  leafHash,
  treeRoot,
  vaultRef,
} from "@authledger/proof";
import { equalBytes, type Hasher, LedgerError } from "@authledger/types";
import { heightKey, historyKey, readU32, readU48, type Tables, u32Key } from "../tables.js";
import { canonicalOfRow } from "../transaction-row.js";
import type { VaultRow } from "../vault-rows.js";
import type { Finding, ScrubCounts } from "./difference.js";
import { rowsUnder, type ScrubView } from "./scrub-view.js";

export interface HistoryScrubDeps {
  readonly tables: Tables;
  readonly hasher: Hasher;
  readonly counts: ScrubCounts;
}

/** Goes up the heights of one vault; blocks never change, so every part may see a newer state. */
export class HistoryScrubber {
  readonly #vault: VaultRow;
  readonly #deps: HistoryScrubDeps;
  readonly #vaultRef: Uint8Array;
  readonly #range: CompactRange;
  #previous: BlockHeader | undefined;
  #previousHash: Uint8Array = new Uint8Array(32);

  constructor(vault: VaultRow, deps: HistoryScrubDeps) {
    this.#vault = vault;
    this.#deps = deps;
    this.#vaultRef = vaultRef(deps.hasher, vault.origin, vault.salt);
    this.#range = CompactRange.restore(deps.hasher, 0, () => new Uint8Array(32));
  }

  /** Height of the next block to look at. */
  get height(): number {
    return this.#previous === undefined ? 0 : this.#previous.height + 1;
  }

  /** Looks at up to `blocks` more; "done" behind the newest. */
  *run(blocks: number, view: ScrubView): Generator<void, Finding | "more" | "done"> {
    const { tables } = this.#deps;
    const tip = view(tables.tip).get(u32Key(this.#vault.id))?.slice();
    for (let i = 0; i < blocks; i++) {
      const { height } = this;
      const bytes = view(tables.header).get(heightKey(this.#vault.id, height))?.slice();
      if (bytes === undefined) return this.#end(tip);
      const header = this.#readHeader(height, bytes);
      if (typeof header === "string") return { area: "header", height, what: header };
      const finding = yield* this.#transactions(header, view);
      if (finding !== undefined) return finding;
      // Read first: a view that ends here leaves the place as it was.
      const stored = this.#storedNodes(height, view);
      const node = this.#append(header, bytes, stored);
      if (node !== undefined) return node;
      this.#deps.counts.blocks++;
      yield;
    }
    return "more";
  }

  /** The newest header is the one of the tip row. */
  #end(tip: Uint8Array | undefined): Finding | "done" {
    const { height } = this;
    const newest = this.#previousHash;
    if (tip !== undefined && equalBytes(blockHash(this.#deps.hasher, tip), newest)) return "done";
    return {
      area: "header",
      height,
      what: "there is no header, though the newest block is another",
    };
  }

  /** The header, or what is wrong with it. */
  #readHeader(height: number, bytes: Uint8Array): BlockHeader | string {
    let header: BlockHeader;
    try {
      header = decodeHeader(bytes);
    } catch (error) {
      return LedgerError.from(error).message;
    }
    if (header.height !== height) return `it says that it is of height ${header.height}`;
    if (!equalBytes(header.vaultRef, this.#vaultRef)) return "it is of another vault";
    if (!equalBytes(header.previousHash, this.#previousHash)) {
      return "it does not follow the block before it";
    }
    if (header.timestampMs < (this.#previous?.timestampMs ?? 0)) {
      return "its time is before that of the block before it";
    }
    if (equalBytes(header.historyRoot, this.#range.root())) return header;
    return "its history root is not that of the headers before it";
  }

  /** Rows of the nodes above the leaves that the header of a height completes, from level 1 up. */
  #storedNodes(height: number, view: ScrubView): (Uint8Array | undefined)[] {
    const nodes: (Uint8Array | undefined)[] = [];
    const history = view(this.#deps.tables.history);
    for (let size = height + 1; size % 2 === 0; ) {
      size /= 2;
      const key = historyKey(this.#vault.id, nodes.length + 1, size - 1);
      nodes.push(history.get(key)?.slice());
    }
    return nodes;
  }

  #append(
    header: BlockHeader,
    bytes: Uint8Array,
    nodes: readonly (Uint8Array | undefined)[],
  ): Finding | undefined {
    const { height } = header;
    this.#previous = header;
    this.#previousHash = blockHash(this.#deps.hasher, bytes);
    for (const { level, index, hash } of this.#range.append(this.#previousHash)) {
      const stored = nodes[level - 1];
      if (level === 0 || (stored !== undefined && equalBytes(stored, hash))) continue;
      const node = `node ${index} of level ${level} of the history tree`;
      const what =
        stored === undefined ? `${node} is missing` : `${node} is not that of the headers`;
      return { area: "history", height, what };
    }
    return undefined;
  }

  /** The oldest block whose transactions are kept. */
  #oldest(view: ScrubView): number {
    const { id } = this.#vault;
    const cursor = view(this.#deps.tables.transaction).cursor();
    const isFound = cursor.seek(heightKey(id, 0)) && readU32(cursor.key) === id;
    return isFound ? readU48(cursor.key, 4) : 0;
  }

  *#transactions(header: BlockHeader, view: ScrubView): Generator<void, Finding | undefined> {
    const { tables, hasher, counts } = this.#deps;
    const { height } = header;
    const hashes: Uint8Array[] = [];
    for (const { value } of rowsUnder(
      view(tables.transaction),
      heightKey(this.#vault.id, height),
    )) {
      hashes.push(leafHash(hasher, canonicalOfRow(value)));
      counts.transactions++;
      yield;
    }
    const finding = (what: string): Finding => ({ area: "transaction", height, what });
    // Retention removes the transactions of the oldest blocks, all of them.
    if (hashes.length === 0 && height < this.#oldest(view)) return undefined;
    if (hashes.length !== header.transactionCount) {
      return finding(
        `${hashes.length} transactions are stored, its header counts ${header.transactionCount}`,
      );
    }
    if (equalBytes(treeRoot(hasher, hashes), header.transactionRoot)) return undefined;
    return finding("its transactions make another root than its header's");
  }
}
