/**
 * Lists whose pages are the server's word: an async iterable that fetches page after page, only as fast as it is read.
 *
 *   INV-SDK-8  A client that verifies gives out nothing unproven unless it is told to.
 */
import { equalBytes, LedgerError } from "@authledger/types";
import { atLeast, type Consistency, consistencyMessage, tokenOf } from "../consistency.js";
import { type CallOptions, pageSizeOf } from "../options.js";
import type { Session } from "../session.js";
import { malformed } from "./convert.js";
import { RowList } from "./row-list.js";
import type { Answer } from "./values.js";

/** Of reads that have no proof. */
export interface UnprovenOptions extends CallOptions {
  /** Default: linearizable. */
  readonly consistency?: Consistency | undefined;
  /** A client that verifies refuses to ask unless this is true: the answer is the server's word alone. Default false. */
  readonly unproven?: boolean | undefined;
}

export interface UnprovenListOptions extends UnprovenOptions {
  /** Rows of one page, 1 to 1,000. Default 1,000. */
  readonly pageSize?: number | undefined;
}

/** A page of a list, and where in the vault's history it is. */
export interface ListPage<T> extends Answer {
  /** May be none, and the page not the last one. */
  readonly rows: readonly T[];
}

/** What is asked for a page. */
export interface PageRequest {
  readonly organization: bigint;
  readonly vault: bigint;
  readonly pageSize: number;
  readonly pageToken: Uint8Array;
  readonly consistency: ReturnType<typeof consistencyMessage>;
}

/** What a page's answer has, whatever its rows are. */
export interface PageResponse<T> {
  readonly rows: readonly T[];
  readonly nextPageToken: Uint8Array;
  readonly height: bigint;
  readonly token: Uint8Array;
}

/** @example for await (const { key } of client.listEntities("config:")) show(key); */
export class PagedList<T> extends RowList<T, ListPage<T>> {
  readonly #session: Session;
  readonly #options: UnprovenListOptions;
  readonly #fetch: (request: PageRequest) => Promise<PageResponse<T>>;

  constructor(
    session: Session,
    options: UnprovenListOptions,
    fetch: (request: PageRequest) => Promise<PageResponse<T>>,
  ) {
    super();
    this.#session = session;
    this.#options = options;
    this.#fetch = fetch;
  }

  override async *pages(): AsyncGenerator<ListPage<T>, void, undefined> {
    requireUnproven(this.#session, this.#options);
    let pageToken: Uint8Array = new Uint8Array(0);
    let { consistency } = this.#options;
    do {
      const { rows, nextPageToken, height, token } = await this.#fetch({
        ...this.#session.vault(),
        pageSize: pageSizeOf(this.#options.pageSize),
        pageToken,
        consistency: consistencyMessage(consistency),
      });
      const next = new Uint8Array(nextPageToken);
      if (next.length > 0 && equalBytes(next, pageToken)) {
        throw malformed("the same page token again");
      }
      yield { rows, height, token: tokenOf(token) };
      pageToken = next;
      // Another replica may answer the next page, but not with an older state.
      if (consistency === undefined || consistency.kind === "linearizable") {
        consistency = atLeast(tokenOf(token));
      }
    } while (pageToken.length > 0);
  }

  protected override rowsOf({ rows }: ListPage<T>): readonly T[] {
    return rows;
  }
}

/** @throws LedgerError INVALID_ARGUMENT in a client that verifies, unless the caller accepts the server's word */
export function requireUnproven(session: Session, { unproven }: UnprovenOptions): void {
  if (session.verifier() === undefined || unproven === true) return;
  const message =
    "this answer has no proof; a client that verifies asks for it with unproven: true";
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "unproven" } });
}
