/**
 * Lists of relationships: an async iterable that fetches page after page, only as fast as it is read.
 *
 *   INV-SDK-5  A verified list ends without an error only when its pages meet, cover the whole list and are
 *              of one state, judged by one time: those of its first page.
 */
import { read } from "@authledger/proto";
import { equalBytes, LedgerError } from "@authledger/types";
import { atLeast } from "../consistency.js";
import { pageSizeOf } from "../options.js";
import type { Session } from "../session.js";
import { checkProvable, PageChain, provenPage } from "../verify/proven-values.js";
import { malformed, relationshipOf } from "./convert.js";
import { Proving } from "./proving.js";
import { LIST_GONE, RowList } from "./row-list.js";
import type { ReadOptions, Relationship, RelationshipFilter, RelationshipPage } from "./values.js";

const { listRelationships: LIST } = read.ReadServiceService;

export interface ListOptions extends ReadOptions {
  /** Rows of one page, 1 to 1,000. Default 1,000. */
  readonly pageSize?: number | undefined;
}

/** @example for await (const { tuple } of client.list({ resource: "document:budget" })) show(tuple); */
export class RelationshipList extends RowList<Relationship, RelationshipPage> {
  readonly #session: Session;
  readonly #filter: RelationshipFilter;
  readonly #options: ListOptions;

  constructor(session: Session, filter: RelationshipFilter, options: ListOptions) {
    super();
    this.#session = session;
    this.#filter = filter;
    this.#options = options;
  }

  override async *pages(): AsyncGenerator<RelationshipPage, void, undefined> {
    const chain = new PageChain();
    let pageToken: Uint8Array = new Uint8Array(0);
    let options: ListOptions = this.#options;
    do {
      const { page, next } = await this.#page(pageToken, options, chain);
      if (next.length > 0 && equalBytes(next, pageToken)) {
        throw malformed("the same page token again");
      }
      yield page;
      pageToken = next;
      // Another replica may answer the next page: one that has the height of this one.
      options = { ...options, consistency: atLeast(page.token) };
    } while (pageToken.length > 0);
  }

  protected override rowsOf({ relationships }: RelationshipPage): readonly Relationship[] {
    return relationships;
  }

  /** A list whose height is gone can be begun again, unless the caller named the height. */
  readonly #isGone = (error: unknown): never => {
    const isNamed = this.#options.consistency?.kind === "at_height";
    if (!(error instanceof LedgerError) || error.code !== "HEIGHT_UNAVAILABLE" || isNamed) {
      throw error;
    }
    const details = { ...error.details, reason: LIST_GONE };
    throw new LedgerError(error.code, error.message, { details, cause: error });
  };

  async #page(
    pageToken: Uint8Array,
    options: ListOptions,
    chain: PageChain,
  ): Promise<{ page: RelationshipPage; next: Uint8Array }> {
    const filter = this.#filter;
    const proving = await Proving.begin(this.#session, options);
    const { consistency, prove } = proving;
    if (prove !== undefined) checkProvable(filter);
    const pageSize = pageSizeOf(options.pageSize);
    const request = {
      ...this.#session.vault(),
      ...filter,
      pageSize,
      pageToken,
      consistency,
      prove,
    };
    const answered = this.#session.call(LIST, request, proving.call);
    const response = await (pageToken.length === 0 ? answered : answered.catch(this.#isGone));
    const next = new Uint8Array(response.nextPageToken);
    const { height } = chain;
    const { answer, verified } = await (height === undefined
      ? proving.judge(response)
      : proving.judgeAt(response, height));
    if (verified === undefined) {
      const relationships = response.relationships.map(relationshipOf);
      return { page: { ...answer, relationships }, next };
    }
    const bounds = {
      from: answer.proof?.pageFrom ?? new Uint8Array(0),
      to: answer.proof?.pageTo ?? new Uint8Array(0),
    };
    const timeMs = chain.add(verified, bounds, next.length === 0);
    const relationships = provenPage(
      { ...verified, timeMs },
      filter,
      bounds,
      response.relationships,
    );
    return { page: { ...answer, relationships }, next };
  }
}
