/** The methods of ReadService that list without proofs, and what a client did last. */
import { read } from "@authledger/proto";
import { limits, validateEntityKey, validateLabel, validateType } from "@authledger/types";
import { type Decoders, strict } from "./call-frame.js";
import { consistencyOf, missing, pageSizeOf } from "./convert-request.js";
import { answeredAt, entityMessage } from "./convert-response.js";
import type { ListingMethod, ServiceDeps } from "./read-service.js";
import type { Handler } from "./unary.js";
import type { VaultName } from "./vault-directory.js";

interface ListingHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly listEntities: Handler<read.ListEntitiesRequest, read.ListEntitiesResponse>;
  readonly listResources: Handler<read.ListResourcesRequest, read.ListResourcesResponse>;
  readonly getClientState: Handler<read.GetClientStateRequest, read.GetClientStateResponse>;
}

export class ListingService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly requests: Pick<Decoders<read.ReadServiceService>, ListingMethod> = {
    listEntities: strict(read.ListEntitiesRequest),
    listResources: strict(read.ListResourcesRequest),
    getClientState: strict(read.GetClientStateRequest),
  };

  readonly handlers: ListingHandlers = {
    listEntities: async (request) => {
      const { prefix, includeExpired } = request;
      if (prefix !== "") validateEntityKey(prefix, "prefix");
      const vault = await this.#vault(request);
      const query = queryOf("entities", request, [prefix, includeExpired]);
      const after = this.#deps.pageTokens.decode(query, request.pageToken);
      const { entities, next, at } = await this.#deps.engine.call("list_entities", {
        vault,
        consistency: consistencyOf(request.consistency, request, vault),
        prefix,
        includeExpired,
        limit: pageSizeOf(request.pageSize),
        ...(after !== undefined && { after }),
      });
      return {
        entities: entities.map((entity) => entityMessage(entity)!),
        nextPageToken: this.#token(query, next),
        ...answeredAt(request, at),
      };
    },
    listResources: async (request) => {
      const { type } = request;
      validateType(type, "type");
      const vault = await this.#vault(request);
      const query = queryOf("resources", request, [type]);
      const after = this.#deps.pageTokens.decode(query, request.pageToken);
      const { resources, next, at } = await this.#deps.engine.call("list_resources", {
        vault,
        consistency: consistencyOf(request.consistency, request, vault),
        type,
        limit: pageSizeOf(request.pageSize),
        ...(after !== undefined && { after }),
      });
      const nextPageToken = this.#token(query, next);
      return { resources: [...resources], nextPageToken, ...answeredAt(request, at) };
    },
    getClientState: async (request) => {
      const { clientId } = request;
      if (clientId === "") throw missing("client_id");
      validateLabel(clientId, limits.CLIENT_ID_BYTES_MAX, "client_id");
      const vault = await this.#vault(request);
      const consistency = consistencyOf(request.consistency, request, vault);
      const question = { vault, consistency, clientId };
      const { last, at } = await this.#deps.engine.call("get_client_state", question);
      return {
        lastSequence: BigInt(last?.sequence ?? 0),
        lastHeight: BigInt(last?.height ?? 0),
        lastTransactionId: last?.transactionId ?? EMPTY,
        ...answeredAt(request, at),
      };
    },
  };

  async #vault(name: VaultName): Promise<number> {
    const { vaults } = this.#deps;
    return vaults.known(name) ?? vaults.resolve(name);
  }

  #token(query: string, next: Uint8Array | undefined): Uint8Array {
    return next === undefined ? EMPTY : this.#deps.pageTokens.encode(query, next);
  }
}

const EMPTY = new Uint8Array(0);

/** What a page token is good for: this list of this vault with these filters, and nothing else. */
function queryOf(
  list: string,
  { organization, vault }: VaultName,
  filters: readonly unknown[],
): string {
  return JSON.stringify([list, String(organization), String(vault), ...filters]);
}
