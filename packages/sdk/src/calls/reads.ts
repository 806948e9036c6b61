/** Checks and reads of the current state. */
import type { VerifiedAnswer } from "@authledger/proof";
import { type common, read } from "@authledger/proto";
import { LedgerError, type Tuple, validateEntityKey } from "@authledger/types";
import type { Session } from "../session.js";
import { provenEntity, provenTuple } from "../verify/proven-values.js";
import { entityOf, malformed, plain, tupleOf } from "./convert.js";
import { Proving } from "./proving.js";
import type {
  Answer,
  BatchReadAnswer,
  BatchStoredAnswer,
  ReadAnswer,
  ReadOptions,
  StoredAnswer,
  TupleInput,
} from "./values.js";

const { check: CHECK, batchCheck: BATCH_CHECK } = read.ReadServiceService;
const { read: READ, batchRead: BATCH_READ } = read.ReadServiceService;

/** Answers to several questions at one height; each is worked out by itself. */
export interface ManyAnswers<T> {
  readonly answer: Answer;
  /** What question `i` comes to. @throws LedgerError PROOF_INSUFFICIENT */
  of(i: number): T;
}

export async function hasTuple(
  session: Session,
  tuple: Tuple,
  options: ReadOptions,
): Promise<StoredAnswer> {
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), tuple, consistency, prove };
  const response = await session.call(CHECK, request, proving.call);
  const { answer, verified } = await proving.judge(response);
  return { ...answer, stored: verified ? provenTuple(verified, tuple) : response.allowed };
}

export async function hasTuples(
  session: Session,
  inputs: readonly TupleInput[],
  options: ReadOptions,
): Promise<BatchStoredAnswer> {
  const tuples = inputs.map(tupleOf);
  const { answer, of } = await hasManyTuples(session, tuples, options);
  return { ...answer, stored: tuples.map((_, i) => of(i)) };
}

export async function hasManyTuples(
  session: Session,
  tuples: Tuple[],
  options: ReadOptions,
): Promise<ManyAnswers<boolean>> {
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), tuples, consistency, prove };
  const response = await session.call(BATCH_CHECK, request, proving.call);
  requireCount(response.allowed.length, tuples.length);
  const { answer, verified } = await proving.judge(response);
  const { allowed } = response;
  return { answer, of: (i) => (verified ? provenTuple(verified, tuples[i]!) : allowed[i]!) };
}

export async function readEntity(
  session: Session,
  key: string,
  options: ReadOptions,
): Promise<ReadAnswer> {
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), key, consistency, prove };
  const response = await session.call(READ, request, proving.call);
  const { answer, verified } = await proving.judge(response);
  const found = storedEntity(verified, key, response.entity, options);
  return readAnswer(answer, found);
}

/**
 * The answer to a read of one key. An erased value is an answer only where the proof shows what is left of it.
 * @throws LedgerError VALUE_ERASED
 */
export function readAnswer(answer: Answer, found: StoredEntity): ReadAnswer {
  const { entity } = found;
  if (entity?.erased !== true || answer.proof !== undefined) return { ...answer, ...found };
  const { key } = entity;
  const message = `the value of "${key}" as of block ${answer.height} was erased; its digest is kept, and proofs of it stay valid`;
  throw new LedgerError("VALUE_ERASED", message, {
    details: { key, height: Number(answer.height) },
  });
}

export async function batchRead(
  session: Session,
  keys: readonly string[],
  options: ReadOptions,
): Promise<BatchReadAnswer> {
  for (const key of keys) validateEntityKey(key);
  const { answer, of } = await readMany(session, keys, options);
  return { ...answer, entities: keys.map((_, i) => of(i).entity) };
}

export async function readMany(
  session: Session,
  keys: readonly string[],
  options: ReadOptions,
): Promise<ManyAnswers<StoredEntity>> {
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), keys: [...keys], consistency, prove };
  const response = await session.call(BATCH_READ, request, proving.call);
  const { results } = response;
  requireCount(results.length, keys.length);
  const { answer, verified } = await proving.judge(response);
  return { answer, of: (i) => storedEntity(verified, keys[i]!, results[i]!.entity, options) };
}

/** An entity and the nonce of its value, where it is there. */
type StoredEntity = Pick<ReadAnswer, "entity" | "nonce">;

function storedEntity(
  verified: VerifiedAnswer | undefined,
  key: string,
  sent: common.Entity | undefined,
  { consistency }: ReadOptions,
): StoredEntity {
  const isAtHeight = consistency?.kind === "at_height";
  const entity = verified ? provenEntity(verified, key, sent, isAtHeight) : entityOf(sent);
  return { entity, ...(entity && sent && !entity.erased && { nonce: plain(sent.nonce) }) };
}

function requireCount(actual: number, asked: number): void {
  if (actual !== asked) throw malformed(`${actual} answers to ${asked} questions`);
}
