/** The lists of a fake ledger that have no proof, and what its clients did last. */
import { isLive, Kind, tupleOfKey } from "@authledger/proof";
import type { read } from "@authledger/proto";
import {
  ByteReader,
  ByteWriter,
  LedgerError,
  limits,
  utf8,
  validateEntityKey,
  validateLabel,
  validateType,
} from "@authledger/types";
import { missing, pageSizeOf } from "./requests.js";
import type { FakeState } from "./state.js";
import { decodePageToken, encodePageToken } from "./tokens.js";
import { entityMessage, View } from "./view.js";

const EMPTY = new Uint8Array(0);

export class FakeListings {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  listEntities(request: read.ListEntitiesRequest): read.ListEntitiesResponse {
    const { prefix, includeExpired, pageToken } = request;
    if (prefix !== "") validateEntityKey(prefix, "prefix");
    const view = new View(this.#state, { ...request, prove: undefined });
    const limit = pageSizeOf(request.pageSize);
    const query = queryOf("entities", request, [prefix, includeExpired]);
    const from = decodePageToken(query, pageToken);
    const entities = view
      .records(({ kind }) => kind === Kind.entity)
      .filter(({ record }) => includeExpired || isLive(record, view.timeMs))
      .map((found) => ({ found, bytes: utf8(found.key.partition + found.key.item) }))
      .filter(({ bytes }) => beginsWith(bytes, utf8(prefix)))
      .filter(({ bytes }) => from === undefined || Buffer.compare(bytes, from) >= 0)
      .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
    const count = fitting(
      entities
        .slice(0, limit)
        .map(({ found, bytes }) => bytes.length + (found.value?.value.length ?? 0)),
    );
    const next = entities[count]?.bytes;
    return {
      entities: entities.slice(0, count).map(({ found }) => entityMessage(found)!),
      nextPageToken: next === undefined ? EMPTY : encodePageToken(query, next),
      ...view.at,
    };
  }

  listResources(request: read.ListResourcesRequest): read.ListResourcesResponse {
    const { type, pageToken } = request;
    validateType(type, "type");
    const view = new View(this.#state, { ...request, prove: undefined });
    const limit = pageSizeOf(request.pageSize);
    const query = queryOf("resources", request, [type]);
    const from = decodePageToken(query, pageToken);
    const after = from === undefined ? 0 : new ByteReader(from, "page token").u32("position");
    const found = view
      .records((key) => key.kind === Kind.tupleByResource && key.partition.startsWith(`${type}:`))
      .filter(({ record }) => isLive(record, view.timeMs));
    // Leaves of one resource lie together.
    const all = [...new Set(found.map(({ key }) => tupleOfKey(key).resource))];
    const end = after + limit;
    const next = new ByteWriter(4).u32(end).finish();
    return {
      resources: all.slice(after, end),
      nextPageToken: end < all.length ? encodePageToken(query, next) : EMPTY,
      ...view.at,
    };
  }

  getClientState(request: read.GetClientStateRequest): read.GetClientStateResponse {
    const { clientId } = request;
    if (clientId === "") throw missing("client_id");
    validateLabel(clientId, limits.CLIENT_ID_BYTES_MAX, "client_id");
    if (request.consistency?.requirement?.$case === "atHeight") throw notOfThePast();
    const view = new View(this.#state, { ...request, prove: undefined });
    const last = view.open.clients.get(clientId);
    return {
      lastSequence: BigInt(last?.sequence ?? 0),
      lastHeight: BigInt(last?.height ?? 0),
      lastTransactionId: last?.transactionId ?? EMPTY,
      ...view.at,
    };
  }
}

function notOfThePast(): LedgerError {
  const message = "what a client did last is told as of now, not as of a height";
  return new LedgerError("INVALID_ARGUMENT", message, { details: { field: "consistency" } });
}

/** How many of the values fit a page; one that is larger is a page of its own. */
function fitting(sizes: readonly number[]): number {
  let bytes = 0;
  const over = sizes.findIndex((size, i) => {
    bytes += size;
    return bytes > limits.MESSAGE_BYTES_MAX / 2 && i > 0;
  });
  return over < 0 ? sizes.length : over;
}

function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, prefix.length), prefix) === 0;
}

function queryOf(
  list: string,
  { organization, vault }: { readonly organization: bigint; readonly vault: bigint },
  filters: readonly unknown[],
): string {
  return JSON.stringify([list, String(organization), String(vault), ...filters]);
}
