/**
 * Groups the operations of a source into transactions, each with an idempotency key that is the same at every
 * run, so that an import that was interrupted is resumed by starting it again: what had been committed is
 * answered from the node's idempotency table, the rest is written.
 *
 *   INV-CHUNK-1  A chunk has 1 to 1,000 operations and fits the bytes of a transaction.
 *   INV-CHUNK-2  Where a chunk ends depends on the operations alone: not on batches, timing or rejected items.
 *   INV-CHUNK-3  Its key is SHA-256 over the key before it (for the first one, over the source's identity) and
 *                its own operations.
 *
 * Why a chain. A key of the content alone would call a second chunk with equal content (create X, delete X,
 * create X, each a chunk) a repetition and lose it. A key of content and number would go wrong after an edit:
 * where "create X; delete X" was imported and the first chunk is changed and sent again, X comes back, and the
 * unchanged second chunk, which deletes it, would be answered from the table without being applied. With a
 * chain a key says "this chunk, after exactly these", so a changed chunk renews all keys behind it. Those are
 * applied again, which is harmless: creates of what exists and deletes of what is missing change nothing.
 *
 * The table forgets keys (after 24 hours, or 100,000 newer ones), and a run whose first keys are forgotten but
 * whose last are not would meet the same trouble as an edited source. A run that may be resumed so late, or one
 * that must be applied again on purpose, gives its own `run`; within one run the keys stay stable. The sender
 * must leave the rest of the request equal too (client id, reason): it is part of the compared payload.
 *
 * Not here: sending, retries, the order of answers. Chunks of a source that holds deletes must be committed in
 * order.
 */
import { hash } from "node:crypto";
import { assert, ByteWriter, fromHex, limits, utf8 } from "@authledger/types";
import type { ImportOperation, ImportSource, RejectedItem, SourceItem } from "./import-source.js";
import { operationBytes, writeOperation } from "./operation-bytes.js";

/** One transaction of an import. */
export interface ImportChunk {
  readonly kind: "chunk";
  /** Number of the chunk, from 0. */
  readonly index: number;
  readonly operations: readonly ImportOperation[];
  /** Where its first and its last operation stand in the source. */
  readonly firstPosition: string;
  readonly lastPosition: string;
  /** What the transaction takes at most, values included. */
  readonly estimatedBytes: number;
  readonly idempotencyKey: string;
}

/** What comes out: chunks to send, and the rejected items of the source, which hold up nothing. */
export type ImportStep = ImportChunk | RejectedItem;

export interface ChunkOptions {
  /** Operations of one chunk. Default and upper limit: 1,000. */
  readonly operationsMax?: number;
  /** Bytes of one chunk. Default and upper limit: 2 MiB. */
  readonly bytesMax?: number;
  /** Sets this run apart from earlier runs of the same source, so that it is applied again. Default: empty. */
  readonly run?: string;
}

/**
 * Everything of a transaction but its operations, rounded up: magic, id, sequence, time, count, and the longest
 * client id, actor and reason.
 */
export const TRANSACTION_HEAD_BYTES: number =
  64 + limits.CLIENT_ID_BYTES_MAX + limits.ACTOR_BYTES_MAX + limits.REASON_BYTES_MAX;

/** Names what a key is made of; another recipe gets another name. */
const KEY_PREFIX = "import-1-";

/**
 * @example
 * for await (const step of importChunks(ndjsonSource("tuples.ndjson"))) {
 *   if (step.kind === "chunk") await client.write(step.operations, step.idempotencyKey);
 * }
 */
export async function* importChunks(
  source: ImportSource,
  options: ChunkOptions = {},
): AsyncGenerator<ImportStep, void, undefined> {
  const builder = new ChunkBuilder(source.identity, options);
  for await (const batch of source.items()) {
    for (const item of batch) {
      if (item.kind === "rejected") {
        yield item;
        continue;
      }
      const full = builder.add(item);
      if (full !== undefined) yield full;
    }
  }
  const last = builder.finish();
  if (last !== undefined) yield last;
}

type OperationItem = Extract<SourceItem, { kind: "operation" }>;

/** The chunk being filled, and the chain of keys. */
class ChunkBuilder {
  readonly #operationsMax: number;
  readonly #bytesMax: number;
  readonly #form = new ByteWriter(1 << 16);
  #items: OperationItem[] = [];
  #bytes = TRANSACTION_HEAD_BYTES;
  #index = 0;
  #link: string;

  constructor(identity: string, options: ChunkOptions) {
    this.#operationsMax = options.operationsMax ?? limits.TRANSACTION_OPERATIONS_MAX;
    this.#bytesMax = options.bytesMax ?? limits.TRANSACTION_BYTES_MAX;
    const operationsOk =
      this.#operationsMax >= 1 && this.#operationsMax <= limits.TRANSACTION_OPERATIONS_MAX;
    assert(operationsOk, "INV-CHUNK-1: 1 to 1,000 operations", { max: this.#operationsMax });
    const bytesOk = this.#bytesMax <= limits.TRANSACTION_BYTES_MAX;
    assert(bytesOk, "INV-CHUNK-1: a transaction's bytes", { max: this.#bytesMax });
    const start = new ByteWriter().lp32(utf8(identity)).lp32(utf8(options.run ?? ""));
    this.#link = hash("sha256", start.view(), "hex");
  }

  /** Takes the item; answers the chunk that it no longer fitted into, if it filled one. */
  add(item: OperationItem): ImportChunk | undefined {
    const bytes = operationBytes(item.operation);
    const fits = TRANSACTION_HEAD_BYTES + bytes <= this.#bytesMax;
    assert(fits, "INV-CHUNK-1: one operation fits a transaction", { position: item.position });
    const full = this.#items.length === this.#operationsMax || this.#bytes + bytes > this.#bytesMax;
    const chunk = full ? this.finish() : undefined;
    this.#items.push(item);
    this.#bytes += bytes;
    return chunk;
  }

  /** The chunk as it stands; undefined when it is empty. */
  finish(): ImportChunk | undefined {
    const [first] = this.#items;
    const last = this.#items.at(-1);
    if (first === undefined || last === undefined) return undefined;
    const operations = this.#items.map((item) => item.operation);
    const chunk: ImportChunk = {
      kind: "chunk",
      index: this.#index,
      operations,
      firstPosition: first.position,
      lastPosition: last.position,
      estimatedBytes: this.#bytes,
      idempotencyKey: this.#nextKey(operations),
    };
    this.#items = [];
    this.#bytes = TRANSACTION_HEAD_BYTES;
    this.#index += 1;
    return chunk;
  }

  #nextKey(operations: readonly ImportOperation[]): string {
    this.#form.clear();
    this.#form.bytes(fromHex(this.#link)).u32(operations.length);
    for (const operation of operations) writeOperation(this.#form, operation);
    this.#link = hash("sha256", this.#form.view(), "hex");
    return KEY_PREFIX + this.#link;
  }
}
