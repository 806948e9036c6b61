/** WriteService of a fake ledger. */
import { requireAllowed } from "@authledger/authz";
import { write } from "@authledger/proto";
import {
  equalBytes,
  LedgerError,
  limits,
  OperationStatus,
  type TransactionRequest,
} from "@authledger/types";
import { decidingModel } from "./model-records.js";
import { checkCount, checkTransactionBytes, transactionOf } from "./requests.js";
import { seal } from "./sealing.js";
import type { FakeState, OpenVault, Remembered } from "./state.js";
import { encodeToken } from "./tokens.js";
import type { BlockBuilder } from "./vault.js";

/** How long an idempotency key is remembered, in milliseconds of the ledger's time. */
const REMEMBERED_MS = 24 * 60 * 60 * 1_000;

type Decided =
  | { readonly kind: "applied"; readonly answer: Remembered; readonly replayed: boolean }
  | { readonly kind: "refused"; readonly error: LedgerError };

export function writeHandlers(state: FakeState): {
  write(request: write.WriteRequest): write.WriteResponse;
  batchWrite(request: write.BatchWriteRequest): write.BatchWriteResponse;
} {
  return {
    write: (request) => {
      const transactions = [{ ...request.transaction! }];
      const { decided, token } = apply(state, request, transactions);
      const [first] = decided;
      if (first?.kind !== "applied") throw first!.error;
      return { result: resultOf(first), token };
    },
    batchWrite: (request) => {
      checkCount(request.transactions.length, limits.BATCH_TRANSACTIONS_MAX, "transactions");
      const { decided, token } = apply(state, request, request.transactions);
      return { results: decided.map((one) => ({ outcome: outcomeOf(one) })), token };
    },
  };
}

/** All transactions of a request are one block, as far as they are accepted. */
function apply(
  state: FakeState,
  name: { readonly organization: bigint; readonly vault: bigint },
  messages: readonly write.Transaction[],
): { decided: Decided[]; token: Uint8Array } {
  const requests = messages.map(transactionOf);
  const open = state.vault(name);
  const { index, timeMs } = state.next();
  const block = open.vault.begin(timeMs, index);
  const decided = requests.map((request, i) => decide(open, block, request, messages[i]!));
  block.finish();
  const { organization, vault } = name;
  const token = encodeToken({ organization, vault, height: open.vault.size - 1, index });
  return { decided, token };
}

function decide(
  open: OpenVault,
  block: BlockBuilder,
  request: TransactionRequest,
  message: write.Transaction,
): Decided {
  try {
    checkTransactionBytes(request);
    const { clientId, idempotencyKey } = request;
    const id = `${clientId}\0${idempotencyKey}`;
    const known = idempotencyKey === "" ? undefined : open.requests.get(id);
    const payload = write.Transaction.encode({ ...message, clientId: "", idempotencyKey: "" });
    const bytes = payload.finish();
    if (known !== undefined && known.timeMs + REMEMBERED_MS > block.timeMs) {
      if (equalBytes(known.payload, bytes)) {
        return { kind: "applied", answer: known.answer, replayed: true };
      }
      throw keyReused(idempotencyKey);
    }
    const answer = run(open, block, request);
    if (clientId !== "") open.clients.set(clientId, answer);
    if (idempotencyKey !== "") {
      open.requests.set(id, { payload: bytes, timeMs: block.timeMs, answer });
    }
    return { kind: "applied", answer, replayed: false };
  } catch (thrown) {
    return { kind: "refused", error: LedgerError.from(thrown) };
  }
}

function run(open: OpenVault, block: BlockBuilder, request: TransactionRequest): Remembered {
  const { clientId, operations } = request;
  const model = decidingModel((key) => block.value(key));
  if (model !== undefined) requireAllowed(model.compiled, operations);
  const sequence = clientId === "" ? 0 : (open.clients.get(clientId)?.sequence ?? 0) + 1;
  const { transaction, values } = seal(block, request, sequence);
  const statuses = block.run(transaction, values);
  const { height, transactionCount } = block;
  return { transactionId: transaction.id, sequence, height, index: transactionCount - 1, statuses };
}

function keyReused(key: string): LedgerError {
  const message = `the idempotency key "${key}" was used with another request`;
  return new LedgerError("IDEMPOTENCY_KEY_REUSED", message, { details: { key } });
}

function resultOf({ answer, replayed }: Decided & { kind: "applied" }): write.TransactionResult {
  const { transactionId, sequence, height, statuses } = answer;
  return {
    transactionId,
    sequence: BigInt(sequence),
    height: BigInt(height),
    statuses: statuses.map((status) => OperationStatus[status] as write.OperationStatus),
    replayed,
  };
}

function outcomeOf(decided: Decided): write.BatchWriteResponse_Result["outcome"] {
  if (decided.kind === "applied") return { $case: "applied", value: resultOf(decided) };
  const { code, message, details, row, retryAfterMs } = decided.error;
  const context = Object.fromEntries(
    Object.entries(details).map(([name, value]) => [name, String(value)]),
  );
  const { number, action, retry } = row;
  const value = { code, number, message, action, context, retryable: retry === "safe" };
  return { $case: "refused", value: { ...value, retryAfterMs: BigInt(retryAfterMs ?? 0) } };
}
