/** `authledger block show`. */
import { type CanonicalOp, decodeHeader, decodeTransaction } from "@authledger/proof";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant } from "../run/command.js";
import { wholeOf } from "../run/settings.js";

export function addBlockCommands(program: Command, frame: CommandFrame): void {
  const block = program.command("block").description("the blocks of a vault");
  const show = block
    .command("show")
    .argument("[height]", "default: the newest")
    .description("show the header of a block")
    .option("--transactions", "and its transactions");
  frame.handle(show, showBlock);
}

async function showBlock(run: Run, text?: string): Promise<undefined> {
  requireTenant(run);
  const client = await run.client();
  const height =
    text === undefined ? (await client.getTip(run.call)).height : BigInt(wholeOf(text, "height"));
  const isWhole = run.flags["transactions"] === true;
  // A header names nobody: who wrote the block is in its transactions.
  const options = { ...run.call, transactions: true };
  const { header, blockHash, transactions, verified } = await client.getBlock(height, options);
  const decoded = decodeHeader(header);
  const actors = new Set(transactions.map((bytes) => decodeTransaction(bytes).actor));
  const fields = {
    height: BigInt(decoded.height),
    block_hash: blockHash,
    time: timeText(decoded.timestampMs),
    time_ms: BigInt(decoded.timestampMs),
    term: BigInt(decoded.term),
    index: BigInt(decoded.index),
    transaction_count: decoded.transactionCount,
    actors: [...actors].filter((actor) => actor !== ""),
    leaf_count: BigInt(decoded.leafCount),
    state_root: decoded.stateRoot,
    history_root: decoded.historyRoot,
    previous_hash: decoded.previousHash,
    transaction_root: decoded.transactionRoot,
    config_hash: decoded.configHash,
    vault_ref: decoded.vaultRef,
    header,
    verified: verified?.kind,
    ...(isWhole && { transactions: transactions.map(transactionFields) }),
  };
  const hidden = new Set(["header", "time_ms"]);
  const columns = Object.keys(fields).filter((name) => !hidden.has(name));
  await run.print.one({ name: String(height), fields, columns });
  return undefined;
}

/** A canonical transaction with its operations. */
export function transactionFields(bytes: Uint8Array): Printable {
  const { id, clientId, sequence, actor, reason, timestampMs, ops } = decodeTransaction(bytes);
  return {
    id,
    client_id: clientId,
    sequence: BigInt(sequence),
    actor,
    reason,
    time: timeText(timestampMs),
    time_ms: BigInt(timestampMs),
    operations: ops.map(operationFields),
    bytes,
  };
}

/** The fields of the canonical form, whatever they are; names as the API spells them. */
function operationFields(operation: CanonicalOp): Printable {
  return snake(operation as unknown as Printable);
}

function snake(value: Printable): Printable {
  if (Array.isArray(value)) return (value as readonly Printable[]).map(snake);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return value;
  const named = Object.entries(value).map(([name, field]): [string, Printable] => {
    const key = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    // Times and heights are u64 in the API, numbers here.
    const isU64 = typeof field === "number" && (key.endsWith("_ms") || key === "version");
    return [key, isU64 ? BigInt(field) : snake(field)];
  });
  return Object.fromEntries(named);
}
