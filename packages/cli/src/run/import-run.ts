/**
 * Sends the chunks of an import: several transactions in flight, in an order that cannot matter.
 *
 *   INV-IMPORTRUN-1  Only chunks that commute are in flight together: those that only create tuples without expiry. Any
 *                    other one waits for all before it, and those behind it wait for it.
 *   INV-IMPORTRUN-2  At most `inFlight` chunks are held; the source is read no faster than the node commits.
 *   INV-IMPORTRUN-3  A failure, or the signal, ends it when what is in flight has ended, also while the source is quiet.
 */
import type { LedgerClient, TransactionResult } from "@authledger/sdk";
import { LedgerError, type OperationStatus } from "@authledger/types";
import {
  type ChunkOptions,
  type ImportChunk,
  type ImportStep,
  importChunks,
} from "../importers/chunker.js";
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
  /** Ends the wait for the next step. */
  #stopWaiting: () => void = () => undefined;

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

  /** @throws LedgerError naming the first and last position of the chunk that was not written; CANCELLED */
  async run(source: ImportSource): Promise<ImportSummary> {
    const { signal } = this.#options;
    const steps = importChunks(source, this.#options);
    const stop = (): void => this.#stopWaiting();
    signal.addEventListener("abort", stop);
    try {
      for (;;) {
        const step = await this.#next(steps);
        if (step === undefined) break;
        if (step.kind === "chunk") await this.#admit(step);
        else this.#reject(step);
      }
    } finally {
      signal.removeEventListener("abort", stop);
      // A source that is being read ends when it has read: nobody waits for that.
      steps.return().catch(() => undefined);
      await Promise.all(this.#inFlight);
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.summary;
  }

  /** The next step; undefined at the end, and after a failure. @throws LedgerError CANCELLED; that of the source */
  #next(steps: AsyncGenerator<ImportStep, void, undefined>): Promise<ImportStep | undefined> {
    const { signal } = this.#options;
    return new Promise((resolve, reject) => {
      // One function that is replaced: a promise that every wait raced with would hold them all.
      this.#stopWaiting = () => {
        if (this.#failure !== undefined) resolve(undefined);
        else if (signal.aborted) reject(interrupted(signal));
      };
      this.#stopWaiting();
      if (this.#failure !== undefined || signal.aborted) return;
      steps.next().then(({ value }) => resolve(value ?? undefined), reject);
    });
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
      this.#stopWaiting();
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

function interrupted({ reason }: AbortSignal): LedgerError {
  const message = "the import was interrupted; start it again to go on";
  return new LedgerError("CANCELLED", message, { cause: reason });
}

/** An unreachable node is told as it is; what the node refused, or has perhaps done, with where it stands. */
function atPosition(error: LedgerError, chunk: ImportChunk): LedgerError {
  const { code, row, details, retryAfterMs } = error;
  if (code === "UNAVAILABLE" || code === "CANCELLED") return error;
  const { firstPosition, lastPosition } = chunk;
  const what = row.retry === "with-key" ? "may not have been written" : "were not written";
  const message = `the operations from ${firstPosition} to ${lastPosition} ${what}: ${error.message}`;
  const again = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new LedgerError(code, message, { details, cause: error, ...again });
}
