/**
 * The single calls of a client, put together where several are made in one tick: `check` and `hasTuple` into BatchCheck,
 * `read` into BatchRead, `write` into BatchWrite. A call that is alone is sent as what it is; so is one that names its request id,
 * since that id is to be found in the logs of the server.
 *
 * Reads go together when they ask for the same consistency and the same proof, checks also with the same context: one
 * answer is about one height. A check that wants its proof as bytes is sent alone: its receipt is of one question.
 * Writes stay transactions of their own, each with its idempotency key; those of one request are applied in the order
 * of the calls. One that the node could not take now is sent again under its key, as it would be alone. Calls that are
 * not awaited may still overtake each other, as they always may.
 */
import type { write } from "@authledger/proto";
import { LedgerError, limits, type Tuple, validateEntityKey } from "@authledger/types";
import { tupleOf } from "../calls/convert.js";
import {
  broughtBy,
  type Decision,
  type Decisions,
  decide,
  decideMany,
  type ProvableDecisionOptions,
} from "../calls/decisions.js";
import {
  hasManyTuples,
  hasTuple,
  type ManyAnswers,
  readAnswer,
  readEntity,
  readMany,
} from "../calls/reads.js";
import type {
  Answer,
  BatchOutcome,
  ReadAnswer,
  ReadOptions,
  StoredAnswer,
  TransactionInput,
  TupleInput,
  WriteAnswer,
  WriteOperation,
} from "../calls/values.js";
import { transactionOf, writeTransaction, writeTransactions } from "../calls/writes.js";
import type { Consistency } from "../consistency.js";
import { type CallOptions, deadlineOf } from "../options.js";
import type { Session } from "../session.js";
import { isRepeatable } from "../transport/running.js";
import { type Caller, Coalescer } from "./coalescer.js";
import type { LaneRules, Outcome } from "./lane.js";

/** Requests of one batch: well below what a message may have, so that its answers fit too as a rule. */
const BYTES_MAX = limits.MESSAGE_BYTES_MAX / 2;
/** Framing of an item in a message, at most. */
const ITEM_BYTES = 64;

/** What reads of one batch have in common. */
type Shared = Pick<ReadOptions, "consistency" | "prove">;

export class CoalescedCalls {
  readonly #session: Session;
  readonly #checks = new Coalescer<Tuple, Decision>();
  readonly #lookups = new Coalescer<Tuple, StoredAnswer>();
  readonly #reads = new Coalescer<string, ReadAnswer>();
  readonly #writes = new Coalescer<write.Transaction, WriteAnswer>();

  constructor(session: Session) {
    this.#session = session;
  }

  check(input: TupleInput, options: ProvableDecisionOptions): Promise<Decision> {
    const tuple = tupleOf(input);
    const { consistency, prove, context, contextualTuples, unproven } = options;
    const conditions = decisionConditionsOf(options);
    if (prove !== undefined || conditions === undefined || this.#isSentAlone(options)) {
      return decide(this.#session, tuple, options);
    }
    const shared = { consistency, context, contextualTuples, unproven };
    const rules = (): LaneRules<Tuple, Decision> => this.#checkRules(shared);
    return this.#checks.call(conditions, rules, tuple, this.#caller(options));
  }

  hasTuple(input: TupleInput, options: ReadOptions): Promise<StoredAnswer> {
    const tuple = tupleOf(input);
    if (this.#isSentAlone(options)) return hasTuple(this.#session, tuple, options);
    const { consistency, prove } = options;
    const rules = (): LaneRules<Tuple, StoredAnswer> => this.#lookupRules({ consistency, prove });
    return this.#lookups.call(conditionsOf(options), rules, tuple, this.#caller(options));
  }

  read(key: string, options: ReadOptions): Promise<ReadAnswer> {
    validateEntityKey(key);
    if (this.#isSentAlone(options)) return readEntity(this.#session, key, options);
    const { consistency, prove } = options;
    const rules = (): LaneRules<string, ReadAnswer> => this.#readRules({ consistency, prove });
    return this.#reads.call(conditionsOf(options), rules, key, this.#caller(options));
  }

  write(
    input: TransactionInput | readonly WriteOperation[],
    options: CallOptions,
  ): Promise<WriteAnswer> {
    const transaction = transactionOf(this.#session, input);
    if (this.#isSentAlone(options)) return writeTransaction(this.#session, transaction, options);
    return this.#writes.call("", () => this.#writeRules(), transaction, this.#caller(options));
  }

  /** @throws LedgerError INVALID_ARGUMENT */
  #caller(options: CallOptions): Caller {
    const deadlineMs = deadlineOf(options, this.#session.options);
    return { deadlineMs, signal: options.signal };
  }

  #isSentAlone({ requestId }: CallOptions): boolean {
    return requestId !== undefined || !this.#session.isCoalescing();
  }

  #checkRules(shared: ProvableDecisionOptions): LaneRules<Tuple, Decision> {
    const session = this.#session;
    return {
      ...this.#limits("Check", limits.BATCH_READ_MAX),
      bytesOf: bytesOfTuple,
      send: async (tuples, call) => {
        const options = { ...shared, ...call };
        if (tuples.length === 1) return [done(await decide(session, tuples[0]!, options))];
        const decided = await decideMany(session, tuples, options);
        return tuples.map((_, i) => done(oneDecision(decided, i)));
      },
    };
  }

  #lookupRules(shared: Shared): LaneRules<Tuple, StoredAnswer> {
    const session = this.#session;
    return {
      ...this.#limits("Check", limits.BATCH_READ_MAX),
      bytesOf: bytesOfTuple,
      send: async (tuples, call) => {
        const options = { ...shared, ...call };
        if (tuples.length === 1) return [done(await hasTuple(session, tuples[0]!, options))];
        const answers = await hasManyTuples(session, [...tuples], options);
        return tuples.map((_, i) => oneOf(answers, i, withStored));
      },
    };
  }

  #readRules(shared: Shared): LaneRules<string, ReadAnswer> {
    const session = this.#session;
    return {
      ...this.#limits("Read", limits.BATCH_READ_MAX),
      bytesOf: (key) => bytesOfText(key) + ITEM_BYTES,
      send: async (keys, call) => {
        const options = { ...shared, ...call };
        if (keys.length === 1) return [done(await readEntity(session, keys[0]!, options))];
        const answers = await readMany(session, keys, options);
        return keys.map((_, i) => oneOf(answers, i, readAnswer));
      },
    };
  }

  #writeRules(): LaneRules<write.Transaction, WriteAnswer> {
    const session = this.#session;
    return {
      ...this.#limits("Write", limits.BATCH_TRANSACTIONS_MAX),
      bytesOf: bytesOfTransaction,
      send: async (transactions, call) => {
        const [first] = transactions;
        if (transactions.length === 1) return [done(await writeTransaction(session, first!, call))];
        const { outcomes, token } = await writeTransactions(session, [...transactions], call);
        return outcomes.map((outcome) => writeOutcome(outcome, token));
      },
    };
  }

  #limits(
    name: string,
    countMax: number,
  ): Pick<LaneRules<never, never>, "name" | "countMax" | "bytesMax" | "overdue"> {
    const overdue = (deadlineMs: number): LedgerError => this.#session.overdue(name, deadlineMs);
    return { name, countMax, bytesMax: BYTES_MAX, overdue };
  }
}

/** Names what reads must have in common. */
function conditionsOf({ consistency, prove }: ReadOptions): string {
  const proof = prove === undefined ? "" : `/${prove.trustedSize}`;
  return consistency === undefined ? proof : `${nameOf(consistency)}${proof}`;
}

/** A context that is larger is not worth comparing. */
const CONTEXT_CHARACTERS_MAX = 1_024;

/**
 * Undefined: the check is sent alone. What it brings is compared as it is sent: two that differ may look alike to JSON.
 * @throws LedgerError for what cannot be sent, so that it fails by itself
 */
function decisionConditionsOf(options: ProvableDecisionOptions): string | undefined {
  const { consistency, unproven = false } = options;
  const shared = consistency === undefined ? "" : nameOf(consistency);
  const brought = broughtBy(options);
  if (brought === undefined) return `${shared} ${unproven}`;
  const text = JSON.stringify(brought);
  if (text.length > CONTEXT_CHARACTERS_MAX) return undefined;
  return `${shared} ${unproven} ${text}`;
}

/** The evidence of all is no receipt of one. */
function oneDecision({ allowed, evidence: _, ...about }: Decisions, i: number): Decision {
  return { ...about, allowed: allowed[i] === true };
}

/** Equal for what asks for the same. */
function nameOf(consistency: Consistency): string {
  return JSON.stringify(consistency, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
}

function done<Result>(result: Result): Outcome<Result> {
  return { kind: "done", result };
}

function withStored({ height, token, proof, verified }: Answer, stored: boolean): StoredAnswer {
  if (proof === undefined) return { height, token, stored };
  return { height, token, proof, ...(verified && { verified }), stored };
}

function oneOf<T, Result>(
  { answer, of }: ManyAnswers<T>,
  i: number,
  make: (answer: Answer, found: T) => Result,
): Outcome<Result> {
  try {
    return done(make(answer, of(i)));
  } catch (thrown) {
    return { kind: "failed", error: LedgerError.from(thrown) };
  }
}

function writeOutcome(outcome: BatchOutcome, token: string): Outcome<WriteAnswer> {
  if (outcome.kind === "refused") {
    const { error } = outcome;
    const isForNow = isRepeatable({ kind: "answered", error }, "repeatable");
    return { kind: isForNow ? "again" : "failed", error };
  }
  const { kind: _, ...result } = outcome;
  return done({ ...result, token });
}

/** UTF-8 bytes, at most. */
function bytesOfText(text: string): number {
  return text.length * 3;
}

function bytesOfTransaction({ operations, reason }: write.Transaction): number {
  let bytes = ITEM_BYTES + bytesOfText(reason);
  for (const { operation } of operations) {
    if (operation === undefined) continue;
    bytes += ITEM_BYTES + bytesOfOperation(operation);
  }
  return bytes;
}

function bytesOfOperation(operation: NonNullable<write.Operation["operation"]>): number {
  switch (operation.$case) {
    case "createRelationship":
    case "deleteRelationship":
      return bytesOfTuple(operation.value.tuple);
    case "setEntity":
      return bytesOfText(operation.value.key) + operation.value.value.length;
    case "deleteEntity":
      return bytesOfText(operation.value.key);
    default:
      return bytesOfTuple(operation.value);
  }
}

function bytesOfTuple(tuple: Tuple | undefined): number {
  if (tuple === undefined) return 0;
  const { resource, relation, subject } = tuple;
  return bytesOfText(resource) + bytesOfText(relation) + bytesOfText(subject) + ITEM_BYTES;
}
