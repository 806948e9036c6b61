/** The methods of ReadService about the history as a whole: ranges of blocks, changes, and watches of both. */
import type { ChangeFilter, ChangePosition, StoredBlock } from "@authledger/engine";
import { read } from "@authledger/proto";
import { LedgerError, limits } from "@authledger/types";
import { type Decoders, strict } from "./call-frame.js";
import {
  changeFilterOf,
  changeMessage,
  decodePosition,
  encodePosition,
  startOf,
} from "./convert-change.js";
import { numberOf, pageSizeOf, proveOf } from "./convert-request.js";
import { proofMessage, tokenOf } from "./convert-response.js";
import { follow, heartbeatOf } from "./follow.js";
import type { BlockMethod, ServiceDeps } from "./read-service.js";
import { type StreamContext, type StreamMethod, watch } from "./streaming.js";
import type { Handler } from "./unary.js";
import type { VaultName } from "./vault-directory.js";
import { VaultMoves } from "./vault-moves.js";

/** Blocks of one answer; at least one is given, and that has at most an entry's bytes. */
const RANGE_BYTES_MAX = limits.ENTRY_BYTES_MAX;
/** One message of a watch: enough for a fast client, and a slow one is not made to wait for more than it reads. */
const WATCH_BLOCKS_MAX = 100;
const WATCH_CHANGES_MAX = 200;
const WATCH_BYTES_MAX = 128 * 1024;

interface BlockHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly getBlockRange: Handler<read.GetBlockRangeRequest, read.GetBlockRangeResponse>;
  readonly getBlockProof: Handler<read.GetBlockProofRequest, read.GetBlockProofResponse>;
  readonly listChanges: Handler<read.ListChangesRequest, read.ListChangesResponse>;
}

interface BlockStreams {
  readonly [name: string]: StreamMethod<never, unknown>;
  readonly watchBlocks: StreamMethod<read.WatchBlocksRequest, read.WatchBlocksResponse>;
  readonly watchChanges: StreamMethod<read.WatchChangesRequest, read.WatchChangesResponse>;
}

export class BlockService {
  readonly #deps: ServiceDeps;
  readonly #moves: VaultMoves;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
    this.#moves = new VaultMoves(deps.engine);
  }

  readonly requests: Pick<Decoders<read.ReadServiceService>, BlockMethod> = {
    getBlockRange: strict(read.GetBlockRangeRequest),
    listChanges: strict(read.ListChangesRequest),
    getBlockProof: strict(read.GetBlockProofRequest),
    watchBlocks: strict(read.WatchBlocksRequest),
    watchChanges: strict(read.WatchChangesRequest),
  };

  readonly handlers: BlockHandlers = {
    getBlockRange: async (request) => {
      const vault = await this.#newest(request);
      const { blocks, next, size, at } = await this.#deps.engine.call("get_block_range", {
        vault,
        from: numberOf(request.fromHeight, "from_height"),
        limit: pageSizeOf(request.limit),
        transactions: request.transactions,
        bytesMax: RANGE_BYTES_MAX,
      });
      return {
        compactRange: request.compactRange ? await this.#rangeBefore(vault, request) : [],
        blocks: blocks.map(blockMessage),
        nextHeight: BigInt(next),
        tipHeight: BigInt(size - 1),
        token: tokenOf(request, at),
      };
    },
    listChanges: (request) => this.#listChanges(request),
    getBlockProof: async (request) => {
      const { at, proof, ...reply } = await this.#deps.engine.call("get_block_proof", {
        vault: await this.#newest(request),
        height: numberOf(request.height, "height"),
        ...proveOf(request.prove),
      });
      const { transactions, compactRange } = reply;
      const parts = { transactions: [...transactions], compactRange: [...compactRange] };
      return { ...reply, ...parts, token: tokenOf(request, at), proof: proofMessage(proof) };
    },
  };

  readonly streams: BlockStreams = {
    watchBlocks: watch((request, stream) => this.#watchBlocks(request, stream)),
    watchChanges: watch((request, stream) => this.#watchChanges(request, stream)),
  };

  async #vault(name: VaultName): Promise<number> {
    const { vaults } = this.#deps;
    return vaults.known(name) ?? vaults.resolve(name);
  }

  /** The vault, with every block that was acknowledged before the question; a follower may have to wait for the last ones. */
  async #newest(name: VaultName): Promise<number> {
    const vault = await this.#vault(name);
    await this.#deps.engine.call("get_tip", { vault, consistency: { kind: "linearizable" } });
    return vault;
  }

  async #rangeBefore(
    vault: number,
    { fromHeight }: read.GetBlockRangeRequest,
  ): Promise<Uint8Array[]> {
    const question = { vault, height: numberOf(fromHeight, "from_height") };
    return [...(await this.#deps.engine.call("get_compact_range", question)).roots];
  }

  async #listChanges(request: read.ListChangesRequest): Promise<read.ListChangesResponse> {
    const { pageTokens, engine } = this.#deps;
    const filter = changeFilterOf(request.filter);
    const fromHeight = numberOf(request.fromHeight, "from_height");
    const end = endOf(request);
    const vault = await this.#newest(request);
    const query = queryOf("list", request, filter, [fromHeight, end]);
    const token = pageTokens.decode(query, request.pageToken);
    const { changes, next, size, at } = await engine.call("list_changes", {
      vault,
      from: token === undefined ? startOf(fromHeight) : decodePosition(token),
      filter,
      limit: pageSizeOf(request.pageSize),
      ...(end !== undefined && { end }),
    });
    const isLast = next.height >= Math.min(end ?? size, size);
    return {
      changes: changes.map(changeMessage),
      nextPageToken: isLast ? EMPTY : pageTokens.encode(query, encodePosition(next)),
      nextHeight: BigInt(next.height),
      tipHeight: BigInt(size - 1),
      token: tokenOf(request, at),
    };
  }

  async *#watchBlocks(
    request: read.WatchBlocksRequest,
    { signal }: StreamContext,
  ): AsyncGenerator<read.WatchBlocksResponse> {
    const heartbeatMs = heartbeatOf(request.heartbeatMs);
    const vault = await this.#vault(request);
    const { fromHeight, transactions } = request;
    let from = fromHeight === undefined ? undefined : numberOf(fromHeight, "from_height");
    const limits = { limit: WATCH_BLOCKS_MAX, bytesMax: WATCH_BYTES_MAX };
    const readNext = async () => {
      const question = { vault, transactions, ...limits, ...(from !== undefined && { from }) };
      const reply = await this.#deps.engine.call("get_block_range", question);
      from = reply.next;
      return { ...reply, isEmpty: reply.blocks.length === 0, nextHeight: reply.next };
    };
    for await (const next of follow(this.#moves, { vault, heartbeatMs, signal }, readNext)) {
      yield { blocks: next.batch.blocks.map(blockMessage), progress: next.progress };
    }
  }

  async *#watchChanges(
    request: read.WatchChangesRequest,
    { signal }: StreamContext,
  ): AsyncGenerator<read.WatchChangesResponse> {
    const heartbeatMs = heartbeatOf(request.heartbeatMs);
    const filter = changeFilterOf(request.filter);
    const vault = await this.#vault(request);
    const query = queryOf("watch", request, filter, []);
    let from = this.#startOf(request, query);
    const readNext = async () => {
      const question = { vault, filter, limit: WATCH_CHANGES_MAX, ...(from && { from }) };
      const reply = await this.#deps.engine.call("list_changes", question);
      from = reply.next;
      return { ...reply, isEmpty: reply.changes.length === 0, nextHeight: reply.next.height };
    };
    for await (const { batch, progress } of follow(
      this.#moves,
      { vault, heartbeatMs, signal },
      readNext,
    )) {
      const resumeToken = this.#deps.pageTokens.encode(query, encodePosition(batch.next));
      yield { changes: batch.changes.map(changeMessage), progress, resumeToken };
    }
  }

  /** Undefined: behind the newest block. */
  #startOf({ start }: read.WatchChangesRequest, query: string): ChangePosition | undefined {
    switch (start?.$case) {
      case undefined:
        return undefined;
      case "fromHeight":
        return startOf(numberOf(start.value, "from_height"));
      case "resumeToken": {
        const position = this.#deps.pageTokens.decode(query, start.value, "resume_token");
        return position && decodePosition(position);
      }
    }
  }
}

const EMPTY = new Uint8Array(0);

/** The height behind the last one that is wanted. */
function endOf({ fromHeight, toHeight }: read.ListChangesRequest): number | undefined {
  if (toHeight === undefined) return undefined;
  if (toHeight >= fromHeight) return numberOf(toHeight, "to_height") + 1;
  throw new LedgerError("INVALID_ARGUMENT", `to_height ${toHeight} is below from_height`, {
    details: { field: "to_height" },
  });
}

/** What a token belongs to. */
function queryOf(
  what: "list" | "watch",
  { organization, vault }: VaultName,
  filter: ChangeFilter,
  range: readonly (number | undefined)[],
): string {
  return JSON.stringify(["changes", what, String(organization), String(vault), filter, range]);
}

function blockMessage({ header, blockHash, transactions }: StoredBlock): read.Block {
  return { header, blockHash, transactions: [...transactions] };
}
