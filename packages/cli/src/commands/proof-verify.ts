/** Verification of a proof's file against an anchor: no server, no clock; the answer is about the past. */
import {
  askState,
  checkValue,
  entityKey,
  Kind,
  type LightClientDeps,
  requireCommitment,
  type StateAnswer,
  type StateQuery,
  type TrustState,
  tupleKey,
  tupleOfKey,
  type ValueCommitment,
  type VerifiedAnswer,
  verifyAnswer,
  verifyCheckpoint,
} from "@authledger/proof";
import { concatBytes, formatTuple, LedgerError, parseTuple, toHex } from "@authledger/types";
import type { ProofFile, ProofQuestion } from "./proof-file.js";

export interface VerifiedFile {
  readonly height: bigint;
  /** Time of the block, in milliseconds: expiry is judged by it. */
  readonly timeMs: bigint;
  /** Of the checkpoint. */
  readonly size: bigint;
  /** Names of the replicas whose cosignatures are good. */
  readonly cosignedBy: readonly string[];
  readonly answer: "present" | "absent" | "erased" | readonly string[];
  /** Of an erased value: what the record says of it. */
  readonly commitment?: ValueCommitment;
}

/** @throws LedgerError PROOF_INVALID, PROOF_INSUFFICIENT */
export function verifyProofFile(
  trust: TrustState,
  file: ProofFile,
  deps: LightClientDeps,
): VerifiedFile {
  if (file.origin !== trust.origin || file.salt !== toHex(trust.salt)) {
    throw refuse("anchor", `the proof is of ${file.origin}, the anchor of ${trust.origin}`);
  }
  const wanted = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  const verified = verifyAnswer(trust, file.proof, wanted, deps);
  if (BigInt(verified.height) !== file.height) {
    throw refuse("height", `the header is of block ${verified.height}, not of ${file.height}`);
  }
  const { origin, policy } = trust;
  const checkpoint = verifyCheckpoint(file.proof.checkpoint, origin, policy, deps);
  const { answer, commitment } = answerOf(verified, file, deps);
  return {
    height: file.height,
    timeMs: verified.timeMs,
    size: checkpoint.size,
    cosignedBy: checkpoint.cosigned.map(({ name }) => name).sort(),
    answer,
    ...(commitment && { commitment }),
  };
}

/** What a proven state answers to a file's question. @throws LedgerError PROOF_INSUFFICIENT, PROOF_INVALID */
export function answerOf(
  verified: Pick<VerifiedAnswer, "state" | "timeMs">,
  file: Pick<ProofFile, "question" | "nonce" | "value" | "erased">,
  deps: LightClientDeps,
): Pick<VerifiedFile, "answer" | "commitment"> {
  if (verified.state === undefined) {
    throw new LedgerError("PROOF_INSUFFICIENT", "the proof shows no state");
  }
  const answer = askState(verified.state, queryOf(file.question), verified.timeMs);
  if (answer.kind === "list") return { answer: tuplesOf(answer, file.question) };
  if (answer.kind === "absent") return { answer: "absent" };
  if (file.question.kind !== "entity") return { answer: "present" };
  const { nonce, value, erased } = file;
  if (nonce !== undefined && value !== undefined) {
    checkValue(deps.hasher, answer.record, concatBytes(nonce, value));
    return { answer: "present" };
  }
  const commitment = requireCommitment(answer.record);
  if (erased) return { answer: "erased", commitment };
  const { length, digest } = commitment;
  const message = `the file lacks the value of the entity; it had ${length} bytes and the digest ${toHex(digest)}`;
  throw new LedgerError("PROOF_INSUFFICIENT", message);
}

function queryOf(question: ProofQuestion): StateQuery {
  if (question.kind === "tuple") return { kind: "get", key: tupleKey(parseTuple(question.tuple)) };
  if (question.kind === "entity") return { kind: "get", key: entityKey(question.key) };
  const { resource, relation, subject } = question;
  const partition = resource ?? subject;
  if (partition === undefined) throw refuse("file", "a list needs a resource or a subject");
  if (resource !== undefined && relation !== undefined && subject !== undefined) {
    return { kind: "get", key: tupleKey({ resource, relation, subject }) };
  }
  const kind = resource === undefined ? Kind.tupleBySubject : Kind.tupleByResource;
  return { kind: "list", list: { kind, partition, group: relation } };
}

function tuplesOf(
  { records }: Extract<StateAnswer, { kind: "list" }>,
  question: ProofQuestion,
): string[] {
  const subject = question.kind === "list" ? question.subject : undefined;
  const tuples = records.map(({ record }) => tupleOfKey(record.key));
  return tuples
    .filter((tuple) => subject === undefined || tuple.subject === subject)
    .map(formatTuple);
}

function refuse(reason: string, message: string): LedgerError {
  return new LedgerError("PROOF_INVALID", message, { details: { reason } });
}
