/** Deleting by filter, a transaction at a time, and erasing values for ever. */
import { write } from "@authledger/proto";
import { parseTuple } from "@authledger/types";
import { type ConsistencyToken, tokenOf } from "../consistency.js";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import { orUnknown } from "./sent-once.js";
import type { TupleInput } from "./values.js";

const { deleteByFilter: DELETE, erase: ERASE } = write.WriteServiceService;
const NO_TOKEN = new Uint8Array(0);
const DELETE_AGAIN =
  "what was deleted stays deleted; delete by the same filter again, which deletes all that matches then";
const ERASE_AGAIN =
  "look at what is stored now, and erase it again where nothing was written meanwhile that is to stay";

/** What is named must be so. Tuples by any parts, or entities by the beginning of their keys. */
export type DeleteFilter =
  | {
      readonly resourceType?: string | undefined;
      readonly resource?: string | undefined;
      readonly relation?: string | undefined;
      readonly subject?: string | undefined;
      readonly subjectType?: string | undefined;
    }
  | { readonly entityPrefix: string };

export interface DeleteByFilterOptions extends CallOptions {
  /** Needed for a filter that matches everything. */
  readonly all?: boolean | undefined;
  /** Count, delete nothing. */
  readonly dryRun?: boolean | undefined;
  /** Why, for the record. */
  readonly reason?: string | undefined;
}

/** How far a deletion is, after each transaction of it. */
export interface DeleteProgress {
  readonly deleted: bigint;
  readonly matched: bigint;
  /** Pass it to `atLeast` to read behind what was deleted so far; absent while nothing was. */
  readonly token: ConsistencyToken | undefined;
}

/**
 * Rejects with what a write is refused for, and with COMMIT_UNKNOWN where a node was lost with a transaction of it: that is not
 * sent again, since somebody may have written meanwhile what it would delete. What was deleted until then stays deleted.
 */
export async function* deleteByFilter(
  session: Session,
  filter: DeleteFilter,
  options: DeleteByFilterOptions,
): AsyncGenerator<DeleteProgress, void, undefined> {
  const { all = false, dryRun = false, reason = "" } = options;
  const request = { ...session.vault(), filter: messageOf(filter), all, dryRun, reason };
  let [deleted, matched, pageToken] = [0n, 0n, NO_TOKEN];
  let token: ConsistencyToken | undefined;
  do {
    const page = { ...request, pageToken };
    const answer = await (dryRun
      ? session.call(DELETE, page, options)
      : orUnknown(session.call(DELETE, page, options, "once"), DELETE_AGAIN));
    deleted += answer.deleted;
    matched += answer.matched;
    if (answer.token.length > 0) token = tokenOf(answer.token);
    pageToken = new Uint8Array(answer.nextPageToken);
    yield { deleted, matched, token };
  } while (pageToken.length > 0);
}

export interface EraseOptions extends CallOptions {
  /** Leave what is stored now, and erase earlier versions only. */
  readonly keepCurrent?: boolean | undefined;
  /** Why, for the record. Do not name the person in it: it is kept for ever. */
  readonly reason?: string | undefined;
}

export interface Erased {
  /** Versions whose value was erased by this call. */
  readonly erased: bigint;
  /** What was stored was deleted by this call. */
  readonly deleted: boolean;
  readonly token: ConsistencyToken;
}

/** What is erased: the value of an entity, or the condition of a tuple. */
export type EraseTarget = { readonly entity: string } | { readonly tuple: TupleInput };

export async function erase(
  session: Session,
  target: EraseTarget,
  options: EraseOptions,
): Promise<Erased> {
  const { keepCurrent = false, reason = "" } = options;
  const named =
    "entity" in target
      ? ({ $case: "entityKey", value: target.entity } as const)
      : ({ $case: "tuple", value: tupleOf(target.tuple) } as const);
  const request = { ...session.vault(), target: named, keepCurrent, reason };
  const sentOnce = session.call(ERASE, request, options, "once");
  const { erased, deleted, token } = await orUnknown(sentOnce, ERASE_AGAIN);
  return { erased, deleted, token: tokenOf(token) };
}

function tupleOf(tuple: TupleInput): Exclude<TupleInput, string> {
  return typeof tuple === "string" ? parseTuple(tuple) : tuple;
}

function messageOf(filter: DeleteFilter): NonNullable<write.DeleteByFilterRequest["filter"]> {
  if ("entityPrefix" in filter) return { $case: "entityPrefix", value: filter.entityPrefix };
  const {
    resourceType = "",
    resource = "",
    relation = "",
    subject = "",
    subjectType = "",
  } = filter;
  return { $case: "tuples", value: { resourceType, resource, relation, subject, subjectType } };
}
