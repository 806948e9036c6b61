/** Verification of a proof's file against an anchor: no server, no clock; the answer is about the past. */
import {
  askState,
  checkValue,
  entityKey,
  Kind,
  type LightClientDeps,
  parseTrustAnchor,
  type StateAnswer,
  type StateQuery,
  trustFromAnchor,
  tupleKey,
  tupleOfKey,
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
  readonly answer: "present" | "absent" | readonly string[];
}

/** @throws LedgerError PROOF_INVALID, PROOF_INSUFFICIENT */
export function verifyProofFile(
  anchorText: string,
  file: ProofFile,
  deps: LightClientDeps,
): VerifiedFile {
  const anchor = parseTrustAnchor(deps.hasher, anchorText);
  if (file.origin !== anchor.origin || file.salt !== toHex(anchor.salt)) {
    throw refuse("anchor", `the proof is of ${file.origin}, the anchor of ${anchor.origin}`);
  }
  const trust = trustFromAnchor(anchor);
  const wanted = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  const verified = verifyAnswer(trust, file.proof, wanted, deps);
  if (BigInt(verified.height) !== file.height) {
    throw refuse("height", `the header is of block ${verified.height}, not of ${file.height}`);
  }
  const { origin, policy } = trust;
  const checkpoint = verifyCheckpoint(file.proof.checkpoint, origin, policy, deps);
  return {
    height: file.height,
    timeMs: verified.timeMs,
    size: checkpoint.size,
    cosignedBy: checkpoint.cosigned.map(({ name }) => name).sort(),
    answer: answerOf(verified, file, deps),
  };
}

/** What a proven state answers to a file's question. @throws LedgerError PROOF_INSUFFICIENT, PROOF_INVALID */
export function answerOf(
  verified: Pick<VerifiedAnswer, "state" | "timeMs">,
  file: Pick<ProofFile, "question" | "nonce" | "value">,
  deps: LightClientDeps,
): VerifiedFile["answer"] {
  if (verified.state === undefined) {
    throw new LedgerError("PROOF_INSUFFICIENT", "the proof shows no state");
  }
  const answer = askState(verified.state, queryOf(file.question), verified.timeMs);
  if (answer.kind === "list") return tuplesOf(answer, file.question);
  if (answer.kind === "absent") return "absent";
  if (file.question.kind === "entity") {
    const { nonce, value } = file;
    if (nonce === undefined || value === undefined) {
      throw new LedgerError("PROOF_INSUFFICIENT", "the file lacks the value of the entity");
    }
    checkValue(deps.hasher, answer.record, concatBytes(nonce, value));
  }
  return "present";
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
