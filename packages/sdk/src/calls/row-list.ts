/** What all lists have in common: they are fetched page by page, only as fast as they are read, and end when left. */
import { LedgerError } from "@authledger/types";

/** How often `collect` begins a list again whose height was removed while it was read. */
const RESTARTS_MAX = 5;
/** Reason of the HEIGHT_UNAVAILABLE of a later page: the list can be begun again at a newer height. */
export const LIST_GONE = "list-gone";
/** Rows that `collect` gathers by default. */
const COLLECT_ROWS_MAX = 1_000_000;

/** @example for await (const row of list) if (isEnough(row)) break; // nothing more is fetched */
export abstract class RowList<Row, Page> implements AsyncIterable<Row> {
  /**
   * Page by page, from the start each time; each page has the deadline of a call of its own. The signal of the options
   * ends the list at once.
   */
  abstract pages(): AsyncGenerator<Page, void, undefined>;

  protected abstract rowsOf(page: Page): readonly Row[];

  /**
   * Row by row, from the start each time.
   * @throws LedgerError HEIGHT_UNAVAILABLE with reason "list-gone" when retention removed the list's height between two pages
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Row, void, undefined> {
    for await (const page of this.pages()) yield* this.rowsOf(page);
  }

  /**
   * The first `limit` rows, or all where there are fewer; nothing behind them is fetched. Without a limit as `collect`.
   * @throws LedgerError INVALID_ARGUMENT; as `collect`
   */
  async toArray({ limit }: { readonly limit?: number | undefined } = {}): Promise<readonly Row[]> {
    if (limit === undefined) return this.collect();
    if (!Number.isSafeInteger(limit) || limit < 0) {
      const message = `limit: ${limit} is not a whole number from 0`;
      throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "limit" } });
    }
    return this.#begunAgain(async () => {
      const rows: Row[] = [];
      if (limit === 0) return rows;
      for await (const row of this) {
        rows.push(row);
        if (rows.length === limit) break;
      }
      return rows;
    });
  }

  /**
   * The whole list; begun again when the vault's retention removed its height meanwhile.
   * @throws LedgerError LIMIT_EXCEEDED when there are more than `rowsMax` rows (1,000,000)
   */
  async collect(rowsMax: number = COLLECT_ROWS_MAX): Promise<readonly Row[]> {
    return this.#begunAgain(async () => {
      const rows: Row[] = [];
      for await (const row of this) {
        if (rows.length === rowsMax) {
          const message = `the list has more than ${rowsMax} rows`;
          throw new LedgerError("LIMIT_EXCEEDED", message, { details: { limit: rowsMax } });
        }
        rows.push(row);
      }
      return rows;
    });
  }

  async #begunAgain<T>(run: () => Promise<T>): Promise<T> {
    for (let restarts = 0; ; restarts++) {
      try {
        return await run();
      } catch (error) {
        const isGone = error instanceof LedgerError && error.details["reason"] === LIST_GONE;
        if (!isGone || restarts === RESTARTS_MAX) throw error;
      }
    }
  }
}
