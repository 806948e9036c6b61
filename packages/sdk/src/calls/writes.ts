/** Changes. Every transaction carries an idempotency key, so that a retry never applies it twice. */
import { write } from "@authledger/proto";
import { tokenOf } from "../consistency.js";
import type { CallOptions } from "../options.js";
import type { Session } from "../session.js";
import type { RepeatOptions } from "../transport/connection.js";
import { refusalOf } from "../transport/wire-failure.js";
import { malformed, resultOf, transactionMessage } from "./convert.js";
import type {
  BatchOutcome,
  BatchWriteAnswer,
  TransactionInput,
  WriteAnswer,
  WriteOperation,
} from "./values.js";

const { write: WRITE, batchWrite: BATCH_WRITE } = write.WriteServiceService;

/** The message of a transaction, with its idempotency key. @throws LedgerError INVALID_ARGUMENT */
export function transactionOf(
  session: Session,
  input: TransactionInput | readonly WriteOperation[],
): write.Transaction {
  return keyed(session, "operations" in input ? input : { operations: input });
}

export async function writeTransaction(
  session: Session,
  transaction: write.Transaction,
  options: RepeatOptions,
): Promise<WriteAnswer> {
  const request = { ...session.vault(), transaction, prove: false };
  const { result, token: bytes } = await session.call(WRITE, request, options);
  const token = tokenOf(bytes);
  const applied = resultOf(result, transaction.idempotencyKey);
  session.tokens?.note(token, applied.height);
  return { ...applied, token };
}

export function writeBatch(
  session: Session,
  inputs: readonly TransactionInput[],
  options: CallOptions,
): Promise<BatchWriteAnswer> {
  const transactions = inputs.map((input) => keyed(session, input));
  return writeTransactions(session, transactions, options);
}

export async function writeTransactions(
  session: Session,
  transactions: write.Transaction[],
  options: RepeatOptions,
): Promise<BatchWriteAnswer> {
  const request = { ...session.vault(), transactions, prove: false };
  const { results, token } = await session.call(BATCH_WRITE, request, options);
  if (results.length !== transactions.length) {
    throw malformed(`${results.length} results for ${transactions.length} transactions`);
  }
  const outcomes = results.map(({ outcome }, i) => outcomeOf(outcome, transactions[i]!));
  const printed = tokenOf(token);
  for (const outcome of outcomes) {
    if (outcome.kind === "applied") session.tokens?.note(printed, outcome.height);
  }
  return { outcomes, token: printed };
}

function keyed(session: Session, input: TransactionInput): write.Transaction {
  const { clientId } = session.options;
  return transactionMessage(input, clientId ?? "", input.idempotencyKey ?? crypto.randomUUID());
}

function outcomeOf(
  outcome: write.BatchWriteResponse_Result["outcome"],
  { idempotencyKey }: write.Transaction,
): BatchOutcome {
  switch (outcome?.$case) {
    case "applied":
      return { kind: "applied", ...resultOf(outcome.value, idempotencyKey) };
    case "refused":
      return { kind: "refused", error: refusalOf(outcome.value) };
    case undefined:
      throw malformed("a transaction without an outcome");
  }
}
