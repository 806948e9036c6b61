/**
 * Sends the chunks of an import: several transactions in flight, in an order that cannot matter.
 *
 *   INV-IMPORTRUN-1  Only chunks that commute are in flight together: those that only create tuples without expiry. Any
 *                    other one waits for all before it, and those behind it wait for it.
 *   INV-IMPORTRUN-2  At most `inFlight` chunks are held; the source is read no faster than the node commits.
 */
import type { LedgerClient, TransactionResult } from "@authledger/sdk";
import { LedgerError, type OperationStatus } from "@authledger/types";
import { type ChunkOptions, type ImportChunk, importChunks } from "../importers/chunker.js";
import type { ImportSource, RejectedItem } from "../importers/import-source.js";

/** Part of the compared payload of an idempotency key, so it is the same at every run (chunker.ts). */
export const IMPORT_CLIENT_ID = "authledger-import";
export const IN_FLIGHT_DEFAULT = 8;
export const IN_FLIGHT_MAX = 64;

export interface ImportSummary {
  /** Operations that were acknowledged, by what they did. */
  readonly statuses: Readonly<Partial<Record<OperationStatus, number>>>;
  readonly operations: number;
  readonly transactions: number;
  /** Transactions that an earlier run had committed already. */
  readonly replayed: number;
  readonly rejected: number;
  /** Newest block that holds a part of the import; undefined when nothing was sent. */
  readonly height: bigint | undefined;
}

export interface ImportOptions extends ChunkOptions {
  readonly inFlight: number;
  readonly signal: AbortSignal;
}

/** Is told as it happens. */
export interface ImportObserver {
  rejected(item: RejectedItem): void;
  progressed(summary: ImportSummary): void;
}

export class ImportRun {
  readonly #client: Pick<LedgerClient, "write">;
  readonly #options: ImportOptions;
  readonly #observer: ImportObserver;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #statuses: Partial<Record<OperationStatus, number>> = {};
  #operations = 0;
  #transactions = 0;
  #replayed = 0;
  #rejected = 0;
  #height: bigint | undefined;
  #failure: LedgerError | undefined;

  constructor(
    client: Pick<LedgerClient, "write">,
    options: ImportOptions,
    observer: ImportObserver,
  ) {
    this.#client = client;
    this.#options = options;
    this.#observer = observer;
  }

  /** What has been acknowledged; also after a failure. */
  get summary(): ImportSummary {
    return {
      statuses: this.#statuses,
      operations: this.#operations,
      transactions: this.#transactions,
      replayed: this.#replayed,
      rejected: this.#rejected,
      height: this.#height,
    };
  }

  /** @throws LedgerError naming the first and last position of the chunk that was not written */
  async run(source: ImportSource): Promise<ImportSummary> {
    try {
      for await (const step of importChunks(source, this.#options)) {
        if (this.#failure !== undefined) break;
        if (step.kind === "chunk") await this.#admit(step);
        else this.#reject(step);
      }
    } finally {
      await Promise.all(this.#inFlight);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.summary;
  }

  #reject(item: RejectedItem): void {
    this.#rejected += 1;
    this.#observer.rejected(item);
    this.#observer.progressed(this.summary);
  }

  /** Starts a chunk as soon as it may be in flight. */
  async #admit(chunk: ImportChunk): Promise<void> {
    const isAlone = !commutes(chunk);
    if (isAlone) await Promise.all(this.#inFlight);
    while (this.#inFlight.size >= this.#options.inFlight) await Promise.race(this.#inFlight);
    if (this.#failure !== undefined) return;
    const sending = this.#send(chunk).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
    if (isAlone) await sending;
  }

  /** Never rejects: the first failure is kept for `run`. */
  async #send(chunk: ImportChunk): Promise<void> {
    const { operations, idempotencyKey } = chunk;
    const { signal } = this.#options;
    try {
      this.#count(await this.#client.write({ operations, idempotencyKey }, { signal }));
    } catch (thrown) {
      this.#failure ??= atPosition(LedgerError.from(thrown), chunk);
    }
  }

  #count({ statuses, replayed, height }: TransactionResult): void {
    for (const status of statuses) this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
    this.#operations += statuses.length;
    this.#transactions += 1;
    this.#replayed += replayed ? 1 : 0;
    if (this.#height === undefined || height > this.#height) this.#height = height;
    this.#observer.progressed(this.summary);
  }
}

function commutes({ operations }: ImportChunk): boolean {
  return operations.every(
    (one) => one.op === "create_tuple" && one.expiresAtMs === 0 && one.value === undefined,
  );
}

/** An unreachable node is told as it is; what the node refused is told with where it stands. */
function atPosition(error: LedgerError, chunk: ImportChunk): LedgerError {
  if (error.code === "UNAVAILABLE" || error.code === "CANCELLED") return error;
  const { firstPosition, lastPosition } = chunk;
  const message = `the operations from ${firstPosition} to ${lastPosition} were not written: ${error.message}`;
  const { details, cause } = error;
  return new LedgerError(error.code, message, { details, cause });
}
