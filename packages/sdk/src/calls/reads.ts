/** Checks and reads of the current state. */
import { read } from "@authledger/proto";
import { validateEntityKey } from "@authledger/types";
import type { Session } from "../session.js";
import { provenEntity, provenTuple } from "../verify/proven-values.js";
import { entityOf, malformed, plain, tupleOf } from "./convert.js";
import { Proving } from "./proving.js";
import type {
  BatchCheckAnswer,
  BatchReadAnswer,
  CheckAnswer,
  ReadAnswer,
  ReadOptions,
  TupleInput,
} from "./values.js";

const { check: CHECK, batchCheck: BATCH_CHECK } = read.ReadServiceService;
const { read: READ, batchRead: BATCH_READ } = read.ReadServiceService;

export async function check(
  session: Session,
  input: TupleInput,
  options: ReadOptions,
): Promise<CheckAnswer> {
  const tuple = tupleOf(input);
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), tuple, consistency, prove };
  const response = await session.call(CHECK, request, options);
  const { answer, verified } = await proving.judge(response);
  return { ...answer, allowed: verified ? provenTuple(verified, tuple) : response.allowed };
}

export async function batchCheck(
  session: Session,
  inputs: readonly TupleInput[],
  options: ReadOptions,
): Promise<BatchCheckAnswer> {
  const tuples = inputs.map(tupleOf);
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), tuples, consistency, prove };
  const response = await session.call(BATCH_CHECK, request, options);
  requireCount(response.allowed.length, tuples.length);
  const { answer, verified } = await proving.judge(response);
  const allowed = verified ? tuples.map((tuple) => provenTuple(verified, tuple)) : response.allowed;
  return { ...answer, allowed };
}

export async function readEntity(
  session: Session,
  key: string,
  options: ReadOptions,
): Promise<ReadAnswer> {
  validateEntityKey(key);
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), key, consistency, prove };
  const response = await session.call(READ, request, options);
  const { answer, verified } = await proving.judge(response);
  const sent = response.entity;
  const entity = verified ? provenEntity(verified, key, sent) : entityOf(sent);
  const nonce = entity && sent ? { nonce: plain(sent.nonce) } : {};
  return { ...answer, entity, ...nonce };
}

export async function batchRead(
  session: Session,
  keys: readonly string[],
  options: ReadOptions,
): Promise<BatchReadAnswer> {
  for (const key of keys) validateEntityKey(key);
  const proving = await Proving.begin(session, options);
  const { consistency, prove } = proving;
  const request = { ...session.vault(), keys: [...keys], consistency, prove };
  const response = await session.call(BATCH_READ, request, options);
  requireCount(response.results.length, keys.length);
  const { answer, verified } = await proving.judge(response);
  const entities = response.results.map(({ entity }, i) =>
    verified ? provenEntity(verified, keys[i]!, entity) : entityOf(entity),
  );
  return { ...answer, entities };
}

function requireCount(actual: number, asked: number): void {
  if (actual !== asked) throw malformed(`${actual} answers to ${asked} questions`);
}
