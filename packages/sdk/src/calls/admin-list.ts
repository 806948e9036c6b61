/** Lists of organizations and vaults. */
import { equalBytes } from "@authledger/types";
import { type CallOptions, pageSizeOf } from "../options.js";
import { malformed } from "./convert.js";
import { RowList } from "./row-list.js";

export interface AdminListOptions extends CallOptions {
  /** Rows of one page, 1 to 1,000. Default 1,000. */
  readonly pageSize?: number | undefined;
}

/** What a page is asked for with. */
interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: Uint8Array;
}

/** A page as it comes; no token behind the last one. */
interface PageAnswer<Row> {
  readonly rows: readonly Row[];
  readonly next: Uint8Array;
}

/** @example const vaults = await client.admin.listVaults(organization).toArray(); */
export class AdminList<Row> extends RowList<Row, readonly Row[]> {
  readonly #options: AdminListOptions;
  readonly #ask: (page: PageRequest) => Promise<PageAnswer<Row>>;

  constructor(options: AdminListOptions, ask: (page: PageRequest) => Promise<PageAnswer<Row>>) {
    super();
    this.#options = options;
    this.#ask = ask;
  }

  override async *pages(): AsyncGenerator<readonly Row[], void, undefined> {
    const pageSize = pageSizeOf(this.#options.pageSize);
    let pageToken: Uint8Array = new Uint8Array(0);
    do {
      const { rows, next } = await this.#ask({ pageSize, pageToken });
      if (next.length > 0 && equalBytes(next, pageToken)) {
        throw malformed("the same page token again");
      }
      yield rows;
      pageToken = next;
    } while (pageToken.length > 0);
  }

  protected override rowsOf(page: readonly Row[]): readonly Row[] {
    return page;
  }
}
