/** What blocks changed: values, filters, and lists between two heights. */
import { read } from "@authledger/proto";
import type { Tuple } from "@authledger/types";
import { equalBytes } from "@authledger/types";
import { type CallOptions, pageSizeOf } from "../options.js";
import type { Session } from "../session.js";
import { malformed, plain } from "./convert.js";
import { RowList } from "./row-list.js";

const { listChanges: LIST_CHANGES } = read.ReadServiceService;

/** Fields of tuples select tuples, the prefix entities, both both; an empty filter everything. */
export interface ChangeFilter {
  /** `document` of `document:budget`. */
  readonly resourceType?: string | undefined;
  readonly resource?: string | undefined;
  readonly relation?: string | undefined;
  readonly subject?: string | undefined;
  /** `group` of `group:eng#member`. */
  readonly subjectType?: string | undefined;
  readonly entityKeyPrefix?: string | undefined;
}

export type ChangeTarget =
  | {
      readonly kind: "tuple";
      readonly tuple: Tuple;
      /** 0 = never. Of an expired tuple: when it expired. */
      readonly expiresAtMs: bigint;
    }
  | {
      readonly kind: "entity";
      readonly key: string;
      readonly expiresAtMs: bigint;
      /** Of the new value, as they are committed; absent where there is none. */
      readonly valueLength?: number;
      readonly valueDigest?: Uint8Array;
    }
  | {
      readonly kind: "record";
      readonly partition: string;
      readonly group: string;
      readonly item: string;
    };

export interface Change {
  readonly change: "created" | "replaced" | "deleted" | "expired";
  readonly target: ChangeTarget;
  readonly height: bigint;
  /** Of the transaction in its block, and of the operation in its transaction. */
  readonly transactionIndex: number;
  readonly operationIndex: number;
  /** The block's time. */
  readonly timeMs: bigint;
  readonly transactionId: Uint8Array;
  readonly actor: string;
  readonly reason: string;
}

export interface ListChangesOptions extends CallOptions {
  /** The first block that is looked at. Default 0. */
  readonly from?: bigint | undefined;
  /** The last one. Default: the newest. */
  readonly to?: bigint | undefined;
  /** 1 to 1,000. Default 1,000. */
  readonly pageSize?: number | undefined;
}

/** Changes of some blocks, and from where on there are more. */
export interface ChangePage {
  /** May be none, and the page not the last one. */
  readonly changes: readonly Change[];
  /** Every change below it has been given. */
  readonly nextHeight: bigint;
  readonly tipHeight: bigint;
}

/** Every change of the blocks of a range, in order. @example for await (const change of client.listChanges()) show(change); */
export class ChangeList extends RowList<Change, ChangePage> {
  readonly #session: Session;
  readonly #filter: ChangeFilter;
  readonly #options: ListChangesOptions;

  constructor(session: Session, filter: ChangeFilter, options: ListChangesOptions) {
    super();
    this.#session = session;
    this.#filter = filter;
    this.#options = options;
  }

  override async *pages(): AsyncGenerator<ChangePage, void, undefined> {
    const { from = 0n, to, pageSize } = this.#options;
    const question = {
      ...this.#session.vault(),
      filter: filterMessage(this.#filter),
      fromHeight: from,
      toHeight: to,
      pageSize: pageSizeOf(pageSize),
    };
    let pageToken: Uint8Array = new Uint8Array(0);
    do {
      const request = { ...question, pageToken };
      const page = await this.#session.call(LIST_CHANGES, request, this.#options);
      const next = plain(page.nextPageToken);
      if (next.length > 0 && equalBytes(next, pageToken)) {
        throw malformed("the same page token again");
      }
      const { nextHeight, tipHeight } = page;
      yield { changes: page.changes.map(changeOf), nextHeight, tipHeight };
      pageToken = next;
    } while (pageToken.length > 0);
  }

  protected override rowsOf({ changes }: ChangePage): readonly Change[] {
    return changes;
  }
}

export function filterMessage(filter: ChangeFilter): read.ChangeFilter {
  const { resourceType, resource, relation, subject, subjectType, entityKeyPrefix } = filter;
  return { resourceType, resource, relation, subject, subjectType, entityKeyPrefix };
}

const KINDS: { readonly [kind: number]: Change["change"] } = {
  [read.ChangeKind.CHANGE_KIND_CREATED]: "created",
  [read.ChangeKind.CHANGE_KIND_REPLACED]: "replaced",
  [read.ChangeKind.CHANGE_KIND_DELETED]: "deleted",
  [read.ChangeKind.CHANGE_KIND_EXPIRED]: "expired",
};

export function changeOf(message: read.Change): Change {
  const { kind, target, transactionId, ...about } = message;
  const change = KINDS[kind];
  if (change === undefined || target === undefined) throw malformed("a change of no known kind");
  return { ...about, change, target: targetOf(target), transactionId: plain(transactionId) };
}

function targetOf(target: NonNullable<read.Change["target"]>): ChangeTarget {
  switch (target.$case) {
    case "tuple": {
      const { tuple, expiresAtMs } = target.value;
      if (tuple === undefined) throw malformed("a change of no tuple");
      return { kind: "tuple", tuple, expiresAtMs };
    }
    case "entity": {
      const { key, expiresAtMs, valueLength, valueDigest } = target.value;
      const value = valueDigest.length > 0 && { valueLength, valueDigest: plain(valueDigest) };
      return { kind: "entity", key, expiresAtMs, ...(value && value) };
    }
    case "record":
      return { kind: "record", ...target.value };
  }
}
