/** Entities by prefix, resources by type, and what a client did last: answers without proofs. */
import { read } from "@authledger/proto";
import { consistencyMessage, tokenOf } from "../consistency.js";
import type { Session } from "../session.js";
import { entityOf, plain } from "./convert.js";
import {
  PagedList,
  requireUnproven,
  type UnprovenListOptions,
  type UnprovenOptions,
} from "./paged-list.js";
import type { Answer, Entity } from "./values.js";

const { listEntities: ENTITIES, listResources: RESOURCES } = read.ReadServiceService;
const { getClientState: CLIENT_STATE } = read.ReadServiceService;

export interface EntityListOptions extends UnprovenListOptions {
  /** Also entities that have expired and are not collected yet. Default false. */
  readonly includeExpired?: boolean | undefined;
}

/** What a client did last in a vault. */
export interface ClientState extends Answer {
  /** The server's number of its last transaction; 0 = there is none. */
  readonly lastSequence: bigint;
  /** The block that holds it. */
  readonly lastHeight: bigint;
  /** Absent when there is none. */
  readonly lastTransactionId: Uint8Array | undefined;
}

export function listEntities(
  session: Session,
  prefix: string,
  options: EntityListOptions,
): PagedList<Entity> {
  const includeExpired = options.includeExpired ?? false;
  return new PagedList(session, options, async (page) => {
    const response = await session.call(ENTITIES, { ...page, prefix, includeExpired }, options);
    return { ...response, rows: response.entities.map((entity) => entityOf(entity)!) };
  });
}

export function listResources(
  session: Session,
  type: string,
  options: UnprovenListOptions,
): PagedList<string> {
  return new PagedList(session, options, async (page) => {
    const response = await session.call(RESOURCES, { ...page, type }, options);
    return { ...response, rows: response.resources };
  });
}

export async function clientState(
  session: Session,
  clientId: string,
  options: UnprovenOptions,
): Promise<ClientState> {
  requireUnproven(session, options);
  const consistency = consistencyMessage(options.consistency);
  const request = { ...session.vault(), clientId, consistency };
  const response = await session.call(CLIENT_STATE, request, options);
  const { lastSequence, lastHeight, lastTransactionId: id, height, token } = response;
  return {
    lastSequence,
    lastHeight,
    lastTransactionId: id.length === 0 ? undefined : plain(id),
    height,
    token: tokenOf(token),
  };
}
