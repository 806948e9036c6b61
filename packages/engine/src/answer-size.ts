/** How large an answer may get, and what a caller is told whose answer would not fit a message. */
import { LedgerError, limits, type Tuple } from "@authledger/types";

/** What an answer may take, so that it fits a message with its protobuf framing. */
export const ANSWER_BYTES_MAX: number = limits.MESSAGE_BYTES_MAX - 64 * 1024;
/** Fields of an entity beside key and value, and of a tuple beside its texts. */
export const ROW_BYTES = 64;

/** What else is in an answer, for its limit: its bytes, and the request's field that makes it so large. */
export interface AnswerSize {
  readonly bytes: number;
  readonly field: keyof typeof SMALLER;
}

/** How a caller gets a smaller answer, by the field that decides about its size. */
const SMALLER = {
  keys: "ask for fewer keys at once",
  tuples: "ask about fewer tuples at once",
  page_size: "ask for smaller pages, name the relation too, or ask without a proof",
  transactions: "ask without the transactions, or without a proof",
} as const;

/** What a tuple takes in an answer, near enough for limits. */
export function rowBytes({ tuple }: { readonly tuple: Tuple }): number {
  return tuple.resource.length + tuple.relation.length + tuple.subject.length + ROW_BYTES;
}

/** LIMIT_EXCEEDED: names the field of the request that makes the answer so large, and what to do about it. */
export function answerTooLarge(
  field: AnswerSize["field"],
  facts: Readonly<Record<string, number>>,
): LedgerError {
  const limit = limits.MESSAGE_BYTES_MAX;
  const message = `the answer would not fit a message of ${limit} bytes: ${SMALLER[field]}`;
  return new LedgerError("LIMIT_EXCEEDED", message, { details: { field, limit, ...facts } });
}
