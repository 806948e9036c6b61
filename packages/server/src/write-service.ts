/** WriteService over the engine's port. */
import type { EngineReply, EngineRequest } from "@authledger/engine";
import { write } from "@authledger/proto";
import {
  LedgerError,
  limits,
  type Operation,
  type TransactionRequest,
  utf8Length,
  validateEntityKey,
  validateFreeText,
} from "@authledger/types";
import { type CallContext, type Decoders, strict } from "./call-frame.js";
import { checkCount, itemsOf, missing, transactionOf, tupleOf } from "./convert-request.js";
import { batchResultMessage, refusalError, resultMessage, tokenOf } from "./convert-response.js";
import { deleteByFilter } from "./delete-by-filter.js";
import type { ServiceDeps } from "./read-service.js";
import { plainContext } from "./trace/call-span.js";
import type { Handler } from "./unary.js";
import { requireOwnVault, type VaultName } from "./vault-directory.js";

export const WRITE_REQUESTS: Decoders<write.WriteServiceService> = {
  write: strict(write.WriteRequest),
  batchWrite: strict(write.BatchWriteRequest),
  deleteByFilter: strict(write.DeleteByFilterRequest),
  erase: strict(write.EraseRequest),
};

interface WriteHandlers {
  readonly [name: string]: Handler<never, unknown>;
  readonly write: Handler<write.WriteRequest, write.WriteResponse>;
  readonly batchWrite: Handler<write.BatchWriteRequest, write.BatchWriteResponse>;
  readonly deleteByFilter: Handler<write.DeleteByFilterRequest, write.DeleteByFilterResponse>;
  readonly erase: Handler<write.EraseRequest, write.EraseResponse>;
}

export class WriteService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  readonly handlers: WriteHandlers = {
    write: async (request, call) => {
      const transactions = [transactionOf(request.transaction)];
      const { outcomes, at } = await this.#write(request, transactions, call);
      const outcome = outcomes[0]!;
      if (outcome.kind === "refused") throw refusalError(outcome);
      return { result: resultMessage(outcome), token: tokenOf(request, at) };
    },
    batchWrite: async (request, call) => {
      checkCount(request.transactions.length, limits.BATCH_TRANSACTIONS_MAX, "transactions");
      const transactions = itemsOf(request.transactions, "transactions", transactionOf);
      if (request.prove) requireProofsFit(transactions);
      const { outcomes, at } = await this.#write(request, transactions, call);
      return { results: outcomes.map(batchResultMessage), token: tokenOf(request, at) };
    },
    deleteByFilter: (request, call) => deleteByFilter(this.#deps, request, call),
    erase: async (request, { deadlineAtMs, principal }) => {
      const { keepCurrent, reason } = request;
      const target = erasedTarget(request.target);
      validateFreeText(reason, limits.REASON_BYTES_MAX, "reason");
      const { vaults, engine } = this.#deps;
      const vault = await vaults.resolve(request);
      const erasing = { vault, target, keepCurrent, reason, actor: principal.name };
      const { erased, deleted, at } = await engine.call("erase", erasing, deadlineAtMs);
      return { erased: BigInt(erased), deleted, token: tokenOf(request, at) };
    },
  };

  async #write(
    request: VaultName & { readonly prove: boolean },
    transactions: readonly TransactionRequest[],
    { deadlineAtMs, principal, trace }: CallContext,
  ): Promise<EngineReply<"write">> {
    const { vaults, engine } = this.#deps;
    requireOwnVault(request);
    const vault = vaults.known(request) ?? (await vaults.resolve(request));
    const { prove } = request;
    const actor = principal.name;
    const writing = { vault, transactions, actor, prove, trace: plainContext(trace) };
    return engine.call("write", writing, deadlineAtMs);
  }
}

/** @throws LedgerError INVALID_ARGUMENT, INVALID_TUPLE */
function erasedTarget(target: write.EraseRequest["target"]): EngineRequest<"erase">["target"] {
  if (target === undefined) throw missing("target");
  if (target.$case === "tuple") return { tuple: tupleOf(target.value) };
  validateEntityKey(target.value, "entity_key");
  return { key: target.value };
}

/** Header, path and framing of an inclusion proof, and what the canonical form of an operation adds to its texts. */
const INCLUSION_BYTES = 1_024;
const OPERATION_BYTES = 64;

/** What is written must be answered, so a proof that would not fit a message is refused before. */
function requireProofsFit(transactions: readonly TransactionRequest[]): void {
  let bytes = 0;
  for (const { operations } of transactions) {
    bytes += INCLUSION_BYTES;
    for (const operation of operations) bytes += OPERATION_BYTES + namesBytes(operation);
  }
  const limit = limits.MESSAGE_BYTES_MAX;
  if (bytes <= limit) return;
  const message = `the proofs of ${transactions.length} transactions may take ${bytes} bytes; the limit is ${limit}: write fewer at once, or without proofs`;
  throw new LedgerError("LIMIT_EXCEEDED", message, {
    details: { field: "transactions", limit, actual: bytes },
  });
}

/** Texts that the canonical form repeats; of values it has the hashes only. */
function namesBytes(operation: Operation): number {
  if (!("tuple" in operation)) return utf8Length(operation.key);
  const { resource, relation, subject } = operation.tuple;
  return utf8Length(resource) + utf8Length(relation) + utf8Length(subject);
}
