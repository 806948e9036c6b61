/** Lists that decisions make: an async iterable that fetches page after page, all of the height of the first one. */
import { authorization } from "@authledger/proto";
import { atLeast } from "../consistency.js";
import { pageSizeOf } from "../options.js";
import type { Session } from "../session.js";
import { malformed } from "./convert.js";
import {
  type Asked,
  asked,
  type DecidedAnswer,
  type DecisionOptions,
  decided,
} from "./decisions.js";
import { RowList } from "./row-list.js";

const { listObjects: OBJECTS, listUsers: USERS } = authorization.AuthorizationServiceService;

export interface DecisionListOptions extends DecisionOptions {
  /** Rows of one page, 1 to 1,000. Default 1,000. */
  readonly pageSize?: number | undefined;
}

export interface DecisionPage extends DecidedAnswer {
  /** May be none, and the page not the last one. */
  readonly rows: readonly string[];
  /** With this page the list has ended and nothing is missing. */
  readonly complete: boolean;
}

/** Which resources of a type a subject has a relation to. */
export interface ObjectsQuestion {
  readonly type: string;
  readonly relation: string;
  readonly subject: string;
}

/** Which subjects have a relation to a resource. */
export interface UsersQuestion {
  readonly resource: string;
  readonly relation: string;
  /** Types (`user`) or usersets (`group#member`) of the subjects that are wanted; 1 to 16. */
  readonly filters: readonly string[];
}

interface PageRequest extends Asked {
  readonly pageSize: number;
  readonly pageToken: Uint8Array;
  readonly prove: undefined;
}

type PageResponse = Parameters<typeof decided>[0] & {
  readonly rows: readonly string[];
  readonly complete: boolean;
  readonly nextPageToken: Uint8Array;
};

/** @example for await (const resource of client.listObjects(question)) show(resource); */
export class DecisionList extends RowList<string, DecisionPage> {
  readonly #session: Session;
  readonly #options: DecisionListOptions;
  readonly #fetch: (request: PageRequest) => Promise<PageResponse>;
  #complete = false;

  constructor(
    session: Session,
    options: DecisionListOptions,
    fetch: (request: PageRequest) => Promise<PageResponse>,
  ) {
    super();
    this.#session = session;
    this.#options = options;
    this.#fetch = fetch;
  }

  /** Has the last reading come to the end of the list, with nothing missing? */
  get complete(): boolean {
    return this.#complete;
  }

  override async *pages(): AsyncGenerator<DecisionPage, void, undefined> {
    this.#complete = false;
    let pageToken: Uint8Array = new Uint8Array(0);
    let options = this.#options;
    do {
      const pageSize = pageSizeOf(options.pageSize);
      const about = { ...asked(this.#session, options), pageSize, pageToken, prove: undefined };
      const response = await this.#fetch(about);
      const next = new Uint8Array(response.nextPageToken);
      if (next.length > 0 && Buffer.from(next).equals(pageToken)) {
        throw malformed("the same page token again");
      }
      const page = { rows: response.rows, complete: response.complete, ...decided(response) };
      if (page.complete) this.#complete = true;
      yield page;
      pageToken = next;
      // Another replica may answer the next page: one that has the height of this one.
      options = { ...options, consistency: atLeast(page.token) };
    } while (pageToken.length > 0);
  }

  protected override rowsOf({ rows }: DecisionPage): readonly string[] {
    return rows;
  }
}

export function listObjects(
  session: Session,
  { type, relation, subject }: ObjectsQuestion,
  options: DecisionListOptions,
): DecisionList {
  return new DecisionList(session, options, async (page) => {
    const request = { ...page, type, relation, subject };
    const response = await session.call(OBJECTS, request, options);
    return { ...response, rows: response.resources };
  });
}

export function listUsers(
  session: Session,
  { resource, relation, filters }: UsersQuestion,
  options: DecisionListOptions,
): DecisionList {
  return new DecisionList(session, options, async (page) => {
    const request = { ...page, resource, relation, filters: [...filters] };
    const response = await session.call(USERS, request, options);
    return { ...response, rows: response.subjects };
  });
}
