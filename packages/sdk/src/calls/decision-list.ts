/** Lists that decisions make: an async iterable that fetches page after page, all of the height of the first one. */
import type { DecisionQuestion, ObjectsAnswer, UsersAnswer } from "@authledger/authz";
import { authorization } from "@authledger/proto";
import { equalBytes } from "@authledger/types";
import { atLeast } from "../consistency.js";
import { type CallOptions, pageSizeOf } from "../options.js";
import type { Session } from "../session.js";
import { DecisionPages } from "../verify/proven-decisions.js";
import { malformed } from "./convert.js";
import { broughtAlong, DecisionProving } from "./decision-proving.js";
import {
  type Asked,
  broughtBy,
  type DecidedAnswer,
  decided,
  type ProvableDecisionOptions,
} from "./decisions.js";
import { RowList } from "./row-list.js";

const { listObjects: OBJECTS, listUsers: USERS } = authorization.AuthorizationServiceService;

export interface DecisionListOptions extends ProvableDecisionOptions {
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

/** A page as it is asked for. */
interface PageRequest extends Asked {
  readonly prove: authorization.ProveDecision | undefined;
  readonly pageSize: number;
  readonly pageToken: Uint8Array;
}

type PageResponse = Parameters<typeof decided>[0] & {
  readonly rows: readonly string[];
  readonly complete: boolean;
  readonly nextPageToken: Uint8Array;
  readonly proof?: authorization.DecisionProof | undefined;
};

/** What is listed: how a page is asked for, and what is decided again. */
interface Listed {
  readonly fetch: (request: PageRequest, call: CallOptions) => Promise<PageResponse>;
  readonly question: (page: PageStart) => ListQuestion;
}

interface PageStart {
  readonly limit: number;
  readonly cursor?: Uint8Array;
}

type ListQuestion = Exclude<DecisionQuestion, { readonly kind: "check" }>;

/** @example for await (const resource of client.listObjects(question)) show(resource); */
export class DecisionList extends RowList<string, DecisionPage> {
  readonly #session: Session;
  readonly #options: DecisionListOptions;
  readonly #listed: Listed;
  #complete = false;

  constructor(session: Session, options: DecisionListOptions, listed: Listed) {
    super();
    this.#session = session;
    this.#options = options;
    this.#listed = listed;
  }

  /** Has the last reading come to the end of the list, with nothing missing? */
  get complete(): boolean {
    return this.#complete;
  }

  override async *pages(): AsyncGenerator<DecisionPage, void, undefined> {
    this.#complete = false;
    const pages = new DecisionPages();
    let pageToken: Uint8Array = new Uint8Array(0);
    let options = this.#options;
    do {
      const { page, next } = await this.#page(pageToken, options, pages);
      if (next.length > 0 && equalBytes(next, pageToken)) {
        throw malformed("the same page token again");
      }
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

  async #page(
    pageToken: Uint8Array,
    options: DecisionListOptions,
    pages: DecisionPages,
  ): Promise<{ readonly page: DecisionPage; readonly next: Uint8Array }> {
    const proving = await DecisionProving.begin(this.#session, options);
    const { prove, consistency } = proving;
    const context = broughtBy(options);
    const limit = pageSizeOf(options.pageSize);
    const about = { ...this.#session.vault(), consistency, context, prove };
    const request = { ...about, pageSize: limit, pageToken };
    const response = await this.#listed.fetch(request, proving.call);
    const next = new Uint8Array(response.nextPageToken);
    const { rows, complete } = response;
    if (prove === undefined) return { page: { rows, complete, ...decided(response) }, next };
    const start = { limit, ...(pages.cursor && { cursor: pages.cursor }) };
    const question = { ...this.#listed.question(start), ...broughtAlong(context) };
    const claimed = claimedPage(question, rows, { complete, next });
    const judged = await proving.judge(response, question, claimed, pages);
    pages.cursor = judged.answer.next;
    const { answer } = judged;
    const found = answer.kind === "list_objects" ? answer.objects : answer.users;
    const page = { ...decided(response), ...judged.about, ...judged.model };
    return { page: { ...page, rows: found, complete: answer.complete }, next };
  }
}

/** What the server said, as an answer; the token of a next page is its own business. */
function claimedPage(
  { kind }: ListQuestion,
  rows: readonly string[],
  { complete, next }: { readonly complete: boolean; readonly next: Uint8Array },
): ObjectsAnswer | UsersAnswer {
  const page = { complete, ...(next.length > 0 && { next }) };
  return kind === "list_objects"
    ? { kind, objects: rows, ...page }
    : { kind, users: rows, ...page };
}

export function listObjects(
  session: Session,
  { type, relation, subject }: ObjectsQuestion,
  options: DecisionListOptions,
): DecisionList {
  return new DecisionList(session, options, {
    fetch: async (page, call) => {
      const request = { ...page, type, relation, subject };
      const response = await session.call(OBJECTS, request, call);
      return { ...response, rows: response.resources };
    },
    question: (page) => ({ kind: "list_objects", type, relation, subject, ...page }),
  });
}

export function listUsers(
  session: Session,
  { resource: object, relation, filters }: UsersQuestion,
  options: DecisionListOptions,
): DecisionList {
  return new DecisionList(session, options, {
    fetch: async (page, call) => {
      const request = { ...page, resource: object, relation, filters: [...filters] };
      const response = await session.call(USERS, request, call);
      return { ...response, rows: response.subjects };
    },
    question: (page) => ({ kind: "list_users", object, relation, filters, ...page }),
  });
}
