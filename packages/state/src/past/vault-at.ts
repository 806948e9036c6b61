/**
 * A vault as of one of its older blocks: records, lists, values and a trie to prove them with, all against the header
 * of that block. Expiry in an answer about the past is judged by that header's time (commitment.md, "Expiry").
 *
 *   INV-PAST-3  What is read as of a block equals what was read when it was the newest one.
 */
import {
  type BlockHeader,
  decodeHeader,
  decodeRecord,
  equalKeys,
  type LedgerKey,
  type LedgerRecord,
  type PathHasher,
  type RecordHasher,
  type TrieHasher,
} from "@authledger/proof";
import { assert, type Hasher, versionAt } from "@authledger/types";
import { requireValue } from "../erased-value.js";
import {
  isLiveAt,
  type LiveRecord,
  liveRecordAt,
  pathCollision,
  versionOf,
} from "../record-fields.js";
import type { StateView } from "../state-view.js";
import type { Tables } from "../tables.js";
import { leafKeyBuffer, PATH_AT, recordOfRow } from "../trie/leaf-row.js";
import type { VaultTrie } from "../trie/vault-trie.js";
import { leafHistKey } from "./history-rows.js";
import { PastLeaves } from "./past-leaves.js";
import { PastTrie } from "./past-trie.js";

/** The vault as it is now. */
export interface VaultNow {
  readonly id: number;
  readonly paths: PathHasher;
  readonly records: RecordHasher;
  readonly leaves: TrieHasher;
  readonly trie: VaultTrie;
  readonly row: { readonly origin: string; readonly salt: Uint8Array };
  readonly vaultRef: Uint8Array;
}

/** A record and where its value is: in the row of the change that replaced it, or in that of today. */
interface Found {
  readonly record: Uint8Array;
  readonly changeKey: Uint8Array | undefined;
}

export class VaultAt implements StateView {
  readonly id: number;
  readonly height: number;
  readonly paths: PathHasher;
  readonly salt: Uint8Array;
  readonly vaultRef: Uint8Array;
  /** 244 bytes. */
  readonly headerBytes: Uint8Array;
  readonly header: BlockHeader;
  readonly #now: VaultNow;
  readonly #tables: Tables;
  readonly #hasher: Hasher;
  /** Of what the block changed; larger ones came later. */
  readonly #version: number;
  #trie: PastTrie | undefined;

  /** Made by `OpenVault.at`, which knows what is kept. */
  constructor(now: VaultNow, tables: Tables, hasher: Hasher, headerBytes: Uint8Array) {
    this.id = now.id;
    this.paths = now.paths;
    this.salt = now.row.salt;
    this.vaultRef = now.vaultRef;
    this.headerBytes = headerBytes;
    this.header = decodeHeader(headerBytes);
    this.height = this.header.height;
    this.#now = now;
    this.#tables = tables;
    this.#hasher = hasher;
    this.#version = versionAt(now.row.origin, this.height);
  }

  get configHash(): Uint8Array {
    return this.header.configHash;
  }

  /** Made when it is first asked for: a read without a proof needs none. */
  get trie(): PastTrie {
    this.#trie ??= this.#openTrie();
    return this.#trie;
  }

  record(key: LedgerKey, path: Uint8Array = this.paths.path(key)): LedgerRecord | undefined {
    const found = this.#find(path);
    if (found === undefined) return undefined;
    const record = decodeRecord(found.record.slice());
    if (equalKeys(record.key, key)) return record;
    throw pathCollision();
  }

  hasLive(key: Uint8Array, path: Uint8Array, timeMs: number): boolean {
    const found = this.#find(path);
    return found !== undefined && isLiveAt(found.record, 0, key, timeMs);
  }

  live(key: Uint8Array, path: Uint8Array, timeMs: number): LiveRecord | undefined {
    const found = this.#find(path);
    return found && liveRecordAt(found.record, 0, key, timeMs);
  }

  value(path: Uint8Array): Uint8Array | undefined {
    const found = this.#find(path);
    if (found === undefined) return undefined;
    if (found.changeKey === undefined) return this.#tables.value.get(this.#rowKey(path));
    const row = this.#tables.valueHist.get(found.changeKey);
    return row && requireValue(row);
  }

  leafCursor(): PastLeaves {
    return new PastLeaves(this.#tables, this.id, { height: this.height, version: this.#version });
  }

  #openTrie(): PastTrie {
    const { id: vault, trie, records, leaves } = this.#now;
    const record = (path: Uint8Array): Uint8Array => {
      const found = this.#find(path);
      assert(found !== undefined, "a leaf of the past trie has a record", { vault });
      return found.record.slice();
    };
    const deps = { vault, tables: this.#tables, trie, hasher: this.#hasher, records, leaves };
    const leafCursor = (): PastLeaves => this.leafCursor();
    const past = new PastTrie({ ...deps, record, leafCursor }, this.height);
    assert(past.total === this.header.leafCount, "the buckets hold the leaves of the header", {
      vault,
      height: this.height,
    });
    return past;
  }

  /** The record under a path, a view. */
  #find(path: Uint8Array): Found | undefined {
    const row = this.#tables.leaf.get(this.#rowKey(path));
    const today = row && recordOfRow(row);
    if (today !== undefined && versionOf(today) <= this.#version) {
      return { record: today, changeKey: undefined };
    }
    const cursor = this.#tables.leafHist.cursor();
    const sought = leafHistKey(this.id, path, this.height);
    if (!cursor.seekBefore(sought)) return undefined;
    const changeKey = cursor.key.slice();
    const pathEnd = PATH_AT + path.length;
    for (let i = 0; i < pathEnd; i++) if (changeKey[i] !== sought[i]) return undefined;
    const record = cursor.value;
    return versionOf(record) <= this.#version ? { record, changeKey } : undefined;
  }

  #rowKey(path: Uint8Array): Uint8Array {
    const key = leafKeyBuffer(this.id);
    key.set(path, PATH_AT);
    return key;
  }
}
