/**
 * Reads of the history: ranges of blocks, and what they changed. All of them are bounded in rows, bytes and work,
 * and say where to go on.
 */
import {
  blockHash,
  blockQuestions,
  CompactRange,
  decodeHeader,
  decodeTransaction,
  encodeStateProof,
} from "@authledger/proof";
import { blockTransactions, type GroupState, listChanges, type OpenVault } from "@authledger/state";
import { type Hasher, LedgerError } from "@authledger/types";
import type { EngineReply, EngineRequest, StoredBlock } from "./port.js";

/** Header and hash of a block with their framing. */
const BLOCK_BYTES = 320;
/** Framing of a transaction in a message. */
const TRANSACTION_BYTES = 8;

export interface BlockReadDeps {
  readonly state: GroupState;
  readonly hasher: Hasher;
  readonly nowMs: () => number;
  /** A block with its inclusion in the newest checkpoint. */
  readonly getBlock: (request: EngineRequest<"get_block">) => Promise<EngineReply<"get_block">>;
}

export class BlockReads {
  readonly #deps: BlockReadDeps;

  constructor(deps: BlockReadDeps) {
    this.#deps = deps;
  }

  /** At least one block, where there is one, and as many as fit. */
  range(request: EngineRequest<"get_block_range">): EngineReply<"get_block_range"> {
    const vault = this.#vault(request.vault);
    const { from = vault.size, limit, transactions: isWhole, bytesMax } = request;
    requireHeight(vault, from);
    const blocks: StoredBlock[] = [];
    let bytes = 0;
    for (let height = from; height < vault.size && blocks.length < limit; height++) {
      const block = this.#block(vault, height, isWhole);
      bytes += BLOCK_BYTES;
      for (const { length } of block.transactions) bytes += TRANSACTION_BYTES + length;
      if (bytes > bytesMax && blocks.length > 0) break;
      blocks.push(block);
    }
    return { blocks, next: from + blocks.length, ...this.#position(vault) };
  }

  compactRange({
    vault: id,
    height,
  }: EngineRequest<"get_compact_range">): EngineReply<"get_compact_range"> {
    const vault = this.#vault(id);
    requireHeight(vault, height);
    return { roots: rangeBefore(this.#deps.hasher, vault, height) };
  }

  /** A block with what is needed to run it again. @throws LedgerError HEIGHT_UNAVAILABLE */
  async proof(request: EngineRequest<"get_block_proof">): Promise<EngineReply<"get_block_proof">> {
    const vault = this.#vault(request.vault);
    const { height, prove } = request;
    // Made before anything is waited for: it reads the past without a pin.
    const before = height === 0 || height >= vault.size ? GENESIS : this.#before(vault, height);
    const consistency = { kind: "linearizable" } as const;
    const question = { vault: vault.id, height, consistency, transactions: true };
    const { header, transactions, at, proof } = await this.#deps.getBlock({
      ...question,
      ...(prove && { prove }),
    });
    return { header, transactions, at, ...before, ...(proof && { proof }) };
  }

  #before(vault: OpenVault, height: number): typeof GENESIS {
    const { state, hasher } = this.#deps;
    const header = vault.header(height)!;
    const { transactionCount } = decodeHeader(header);
    const bodies = blockTransactions(vault, state.tables, height, transactionCount);
    const then = vault.before(height);
    const questions = blockQuestions(bodies.map((bytes) => decodeTransaction(bytes)));
    return {
      previousHeader: then.headerBytes,
      witness: encodeStateProof(then.trie, vault.paths, questions),
      compactRange: rangeBefore(hasher, vault, height - 1),
    };
  }

  /** Changes of blocks from a position on, below the height `end`. */
  changes(request: EngineRequest<"list_changes">): EngineReply<"list_changes"> {
    const vault = this.#vault(request.vault);
    const { from = { height: vault.size, index: 0, operation: 0 }, filter, limit } = request;
    requireHeight(vault, from.height);
    const { tables } = this.#deps.state;
    const end = Math.min(request.end ?? vault.size, vault.size);
    const page = listChanges(vault, tables, filter, { from, end, limit });
    return { ...page, ...this.#position(vault) };
  }

  #vault(id: number): OpenVault {
    return this.#deps.state.requireServed(id);
  }

  #block(vault: OpenVault, height: number, isWhole: boolean): StoredBlock {
    const { state, hasher } = this.#deps;
    const header = vault.header(height)!;
    const { transactionCount } = decodeHeader(header);
    const transactions = isWhole
      ? blockTransactions(vault, state.tables, height, transactionCount)
      : [];
    return { header, blockHash: blockHash(hasher, header), transactions };
  }

  #position(vault: OpenVault): Pick<EngineReply<"get_block_range">, "size" | "timeMs" | "at"> {
    const { index } = this.#deps.state.applied;
    return {
      size: vault.size,
      timeMs: this.#deps.nowMs(),
      at: { height: vault.size - 1, index },
    };
  }
}

const GENESIS: Pick<
  EngineReply<"get_block_proof">,
  "previousHeader" | "witness" | "compactRange"
> = { previousHeader: new Uint8Array(0), witness: new Uint8Array(0), compactRange: [] };

function rangeBefore(hasher: Hasher, vault: OpenVault, size: number): readonly Uint8Array[] {
  return CompactRange.restore(hasher, size, vault.historyNode).roots;
}

/** The height behind the newest one is where the next block will be. */
function requireHeight(vault: OpenVault, height: number): void {
  if (height <= vault.size) return;
  const newest = vault.size - 1;
  const message = `there is no block ${height} yet; the newest is ${newest}`;
  throw new LedgerError("HEIGHT_NOT_REACHED", message, { details: { height, newest } });
}
