/**
 * Deletes what matches a filter, one transaction of at most 1,000 deletes for each call (L-132).
 *
 *   INV-ADMIN-4  A call deletes in one ordinary transaction what it found, so what is deleted stays deleted wherever the
 *                next call fails, and the filter alone is enough to go on.
 *   INV-ADMIN-5  A filter that matches everything is refused unless the request says `all`.
 *
 * The position in the token only saves looking again at what was passed over: paths of what is left do not move.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { write } from "@authledger/proto";
import {
  type Consistency,
  LedgerError,
  limits,
  type Operation,
  type Tuple,
  validateEntityKey,
  validateFreeText,
  validateRelation,
  validateResource,
  validateSubject,
  validateType,
} from "@authledger/types";
import type { CallContext } from "./call-frame.js";
import { missing } from "./convert-request.js";
import { refusalError, tokenOf } from "./convert-response.js";
import type { ServiceDeps } from "./read-service.js";
import { plainContext } from "./trace/call-span.js";

const LINEARIZABLE: Consistency = { kind: "linearizable" };
/** Pages looked at by one call: a filter by type may pass over many. */
const PAGES_MAX = 20;
const EMPTY = new Uint8Array(0);

/** What was found from a position on, and where the next call begins. */
interface Found {
  readonly operations: readonly Operation[];
  readonly next: Uint8Array | undefined;
}

/** @throws LedgerError INVALID_ARGUMENT for a filter without a part, and as a write */
export async function deleteByFilter(
  deps: ServiceDeps,
  request: write.DeleteByFilterRequest,
  call: CallContext,
): Promise<write.DeleteByFilterResponse> {
  const { filter } = request;
  if (filter === undefined) throw missing("filter");
  requireNarrow(request);
  validateFreeText(request.reason, limits.REASON_BYTES_MAX, "reason");
  const vault = await deps.vaults.resolve(request);
  const query = queryOf(request);
  const after = deps.pageTokens.decode(query, request.pageToken);
  const pageFrom = pagesOf(deps, vault, filter, call);
  const found = await findSome(pageFrom, after);
  const matched = BigInt(found.operations.length);
  const nextPageToken =
    found.next === undefined ? EMPTY : deps.pageTokens.encode(query, found.next);
  if (request.dryRun || found.operations.length === 0) {
    return { deleted: 0n, matched, nextPageToken, token: EMPTY };
  }
  const { operations } = found;
  const { reason } = request;
  const transactions = [{ operations, clientId: "", idempotencyKey: "", reason }];
  const { principal, trace } = call;
  const actor = principal.name;
  const writing = { vault, transactions, actor, prove: false, trace: plainContext(trace) };
  const { outcomes, at } = await deps.engine.call("write", writing, call.deadlineAtMs);
  const outcome = outcomes[0]!;
  if (outcome.kind === "refused") throw refusalError(outcome);
  const deleted = BigInt(outcome.statuses.filter((status) => status === "deleted").length);
  return { deleted, matched, nextPageToken, token: tokenOf(request, at) };
}

/** Pages until there is something to delete, or the call has looked at enough. Between two of them others have a turn. */
async function findSome(
  pageFrom: (after: Uint8Array | undefined) => Promise<Found>,
  from: Uint8Array | undefined,
): Promise<Found> {
  let found: Found = { operations: [], next: from };
  for (let page = 0; page < PAGES_MAX; page++) {
    found = await pageFrom(found.next);
    if (found.operations.length > 0 || found.next === undefined) break;
    await turn();
  }
  return found;
}

function pagesOf(
  { engine }: ServiceDeps,
  vault: number,
  filter: NonNullable<write.DeleteByFilterRequest["filter"]>,
  { deadlineAtMs }: CallContext,
): (after: Uint8Array | undefined) => Promise<Found> {
  const question = { vault, consistency: LINEARIZABLE, limit: limits.TRANSACTION_OPERATIONS_MAX };
  if (filter.$case === "entityPrefix") {
    const listing = { ...question, prefix: filter.value, includeExpired: true };
    return async (after) => {
      const request = { ...listing, ...(after && { after }) };
      const page = await engine.call("list_entities", request, deadlineAtMs);
      const operations = page.entities.map(({ key }): Operation => {
        return { op: "delete_entity", key, condition: { kind: "none" } };
      });
      return { operations, next: page.next };
    };
  }
  const { resource, relation, subject } = filter.value;
  const listing = {
    ...question,
    ...(resource !== "" && { resource }),
    ...(relation !== "" && { relation }),
    ...(subject !== "" && { subject }),
  };
  return async (after) => {
    const page = await engine.call(
      "list_tuples",
      { ...listing, ...(after && { after }) },
      deadlineAtMs,
    );
    const tuples = page.tuples
      .map(({ tuple }) => tuple)
      .filter((tuple) => isOf(tuple, filter.value));
    return {
      operations: tuples.map((tuple): Operation => ({ op: "delete_tuple", tuple })),
      next: page.next,
    };
  };
}

/** The types, which no list knows. */
function isOf(
  { resource, subject }: Tuple,
  { resourceType, subjectType }: write.TupleDeleteFilter,
): boolean {
  const isResource = resourceType === "" || resource.startsWith(`${resourceType}:`);
  return isResource && (subjectType === "" || subject.startsWith(`${subjectType}:`));
}

/** INV-ADMIN-5, and that its parts are well formed. */
function requireNarrow({ filter, all }: write.DeleteByFilterRequest): void {
  let isNarrow: boolean;
  if (filter?.$case === "entityPrefix") {
    isNarrow = filter.value !== "";
    if (isNarrow) validateEntityKey(filter.value, "entity_prefix");
  } else {
    const { resourceType, resource, relation, subject, subjectType } = filter!.value;
    if (resourceType !== "") validateType(resourceType, "tuples.resource_type");
    if (resource !== "") validateResource(resource);
    if (relation !== "") validateRelation(relation, "tuples.relation");
    if (subject !== "") validateSubject(subject);
    if (subjectType !== "") validateType(subjectType, "tuples.subject_type");
    isNarrow = resourceType + resource + relation + subject + subjectType !== "";
  }
  if (isNarrow || all) return;
  const message = "the filter matches everything: name a part of it, or set `all`";
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "filter" } });
}

function queryOf({ organization, vault, filter }: write.DeleteByFilterRequest): string {
  return JSON.stringify(["delete", String(organization), String(vault), filter]);
}
