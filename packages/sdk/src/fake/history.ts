/** The methods of a fake ledger about the history as a whole: ranges of blocks, their proofs, changes, and watches. */
import { blockHash } from "@authledger/proof";
import { read } from "@authledger/proto";
import { ByteReader, ByteWriter, LedgerError } from "@authledger/types";
import type { VaultName } from "../options.js";
import { nodeCrypto } from "../verify/node-crypto.js";
import { changesOf, checkedFilter } from "./changes.js";
import { numberOf, pageSizeOf } from "./requests.js";
import type { FakeState, OpenVault } from "./state.js";
import { decodePageToken, encodePageToken } from "./tokens.js";
import { View } from "./view.js";

const EMPTY = new Uint8Array(0);
const HEARTBEAT_MS_MIN = 1_000;
const HEARTBEAT_MS_MAX = 60_000;
/** Blocks of one message of a watch. */
const WATCH_BLOCKS_MAX = 100;

export class FakeHistory {
  readonly #state: FakeState;

  constructor(state: FakeState) {
    this.#state = state;
  }

  getBlockRange(request: read.GetBlockRangeRequest): read.GetBlockRangeResponse {
    const view = this.#view(request);
    const from = numberOf(request.fromHeight, "from_height");
    requireHeight(view.open, from);
    const end = Math.min(from + pageSizeOf(request.limit), view.open.vault.size);
    return {
      blocks: blocksOf(view.open, from, end, request.transactions),
      nextHeight: BigInt(end),
      tipHeight: BigInt(view.height),
      token: view.token,
      compactRange: request.compactRange ? view.open.commitment.compactRange(from) : [],
    };
  }

  getBlockProof(request: read.GetBlockProofRequest): read.GetBlockProofResponse {
    const view = this.#view(request);
    const height = numberOf(request.height, "height");
    const { commitment, vault } = view.open;
    const newest = vault.size - 1;
    if (height > newest) {
      const message = `there is no block ${height}; the newest is ${newest}`;
      throw new LedgerError("BLOCK_NOT_FOUND", message, { details: { height, newest } });
    }
    const { prove } = request;
    return {
      header: view.header(height),
      previousHeader: height === 0 ? EMPTY : view.header(height - 1),
      transactions: [...vault.blocks[height]!.transactions],
      witness: height === 0 ? EMPTY : commitment.witness(height),
      compactRange: height === 0 ? [] : commitment.compactRange(height - 1),
      token: view.token,
      proof: prove && view.proofOfHeader(height, prove),
    };
  }

  listChanges(request: read.ListChangesRequest): read.ListChangesResponse {
    const filter = checkedFilter(request.filter);
    const from = numberOf(request.fromHeight, "from_height");
    const end = endOf(request);
    const view = this.#view(request);
    requireHeight(view.open, from);
    const { size } = view.open.vault;
    const until = Math.min(end ?? size, size);
    const limit = pageSizeOf(request.pageSize);
    const query = queryOf("list", request, [filter, from, end]);
    const skip = positionOf(decodePageToken(query, request.pageToken));
    const all = changesOf(view.open.vault, filter, from, until);
    const changes = all.slice(skip, skip + limit);
    const isLast = skip + limit >= all.length;
    const next = isLast ? BigInt(Math.max(until, from)) : all[skip + limit]!.height;
    return {
      changes,
      nextPageToken: isLast ? EMPTY : encodePageToken(query, positionBytes(skip + limit)),
      nextHeight: next,
      tipHeight: BigInt(view.height),
      token: view.token,
    };
  }

  async *watchBlocks(
    request: read.WatchBlocksRequest,
    signal: AbortSignal,
  ): AsyncGenerator<read.WatchBlocksResponse> {
    checkHeartbeat(request.heartbeatMs);
    const { open } = this.#view(request);
    const { fromHeight, transactions } = request;
    const from = fromHeight === undefined ? open.vault.size : numberOf(fromHeight, "from_height");
    for await (const [at, end] of this.#follow(open, from, signal)) {
      yield { blocks: blocksOf(open, at, end, transactions), progress: this.#progress(open, end) };
    }
  }

  async *watchChanges(
    request: read.WatchChangesRequest,
    signal: AbortSignal,
  ): AsyncGenerator<read.WatchChangesResponse> {
    checkHeartbeat(request.heartbeatMs);
    const filter = checkedFilter(request.filter);
    const { open } = this.#view(request);
    const query = queryOf("watch", request, [filter]);
    const from = startOf(request, query, open.vault.size);
    for await (const [at, end] of this.#follow(open, from, signal)) {
      yield {
        changes: changesOf(open.vault, filter, at, end),
        progress: this.#progress(open, end),
        resumeToken: encodePageToken(query, positionBytes(end)),
      };
    }
  }

  /** Ranges of blocks one behind the other: what is there, then what comes. */
  async *#follow(
    open: OpenVault,
    from: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly [number, number]> {
    requireHeight(open, from);
    let isFirst = true;
    for (let at = from; !signal.aborted; ) {
      const end = Math.min(open.vault.size, at + WATCH_BLOCKS_MAX);
      if (end > at || isFirst) yield [at, end];
      isFirst = false;
      at = end;
      if (at === open.vault.size) await open.vault.moved(signal);
    }
  }

  #progress({ vault }: OpenVault, next: number): read.WatchProgress {
    const isLive = next === vault.size;
    return {
      state: isLive ? read.WatchState.WATCH_STATE_LIVE : read.WatchState.WATCH_STATE_HISTORY,
      nextHeight: BigInt(next),
      tipHeight: BigInt(vault.size - 1),
      timeMs: BigInt(this.#state.clock.nowMs()),
    };
  }

  #view(name: VaultName): View {
    const { organization, vault } = name;
    return new View(this.#state, { organization, vault });
  }
}

function blocksOf(
  { vault, commitment }: OpenVault,
  from: number,
  end: number,
  isWhole: boolean,
): read.Block[] {
  return vault.blocks.slice(from, end).map(({ transactions }, i) => {
    const header = commitment.header(from + i);
    const hash = blockHash(nodeCrypto.hasher, header);
    return { header, blockHash: hash, transactions: isWhole ? [...transactions] : [] };
  });
}

/** The height behind the newest one is where the next block will be. */
function requireHeight({ vault }: OpenVault, height: number): void {
  if (height <= vault.size) return;
  const newest = vault.size - 1;
  const message = `there is no block ${height} yet; the newest is ${newest}`;
  throw new LedgerError("HEIGHT_NOT_REACHED", message, { details: { height, newest } });
}

function endOf({ fromHeight, toHeight }: read.ListChangesRequest): number | undefined {
  if (toHeight === undefined) return undefined;
  if (toHeight >= fromHeight) return numberOf(toHeight, "to_height") + 1;
  throw new LedgerError("INVALID_ARGUMENT", `to_height ${toHeight} is below from_height`, {
    details: { field: "to_height" },
  });
}

function startOf({ start }: read.WatchChangesRequest, query: string, size: number): number {
  if (start === undefined) return size;
  if (start.$case === "fromHeight") return numberOf(start.value, "from_height");
  return positionOf(decodePageToken(query, start.value));
}

function checkHeartbeat(ms: number): void {
  if (ms === 0 || (ms >= HEARTBEAT_MS_MIN && ms <= HEARTBEAT_MS_MAX)) return;
  const message = `heartbeat_ms is ${ms}; it is from ${HEARTBEAT_MS_MIN} to ${HEARTBEAT_MS_MAX}`;
  throw new LedgerError("INVALID_ARGUMENT", message, { details: { field: "heartbeat_ms" } });
}

function queryOf(
  what: string,
  { organization, vault }: VaultName,
  about: readonly unknown[],
): string {
  return JSON.stringify(["changes", what, String(organization), String(vault), ...about]);
}

function positionBytes(position: number): Uint8Array {
  return new ByteWriter(8).u64(position).finish();
}

function positionOf(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : new ByteReader(bytes, "position").safeU64("position");
}
