/**
 * The second part of the quickstart: asks the node, and takes nothing on trust. Every answer is computed from its
 * proof against the vault's anchor; what the node merely says is only compared with that.
 */
import { randomBytes } from "node:crypto";
import { FileRoots, nodeCrypto } from "@authledger/sdk";
import { formatTuple, LedgerError, parseTuple, toHex } from "@authledger/types";
import { fetchProof } from "../commands/proof-fetch.js";
import type { ProofFile } from "../commands/proof-file.js";
import { verifyProofFile } from "../commands/proof-verify.js";
import type { DevLedger } from "../dev/dev-ledger.js";
import type { Run } from "../run/command.js";
import type { Imported } from "./posix-import.js";

/** One question, with the proof's answer. */
export interface ProvenAnswer {
  readonly tuple: string;
  readonly allowed: boolean;
  /** Of state, header, history and checkpoint together. */
  readonly proofBytes: number;
  readonly verifyMs: number;
}

export interface Proven {
  readonly present: ProvenAnswer;
  readonly absent: ProvenAnswer;
  readonly list: { readonly of: string; readonly entries: number };
  readonly trustedSize: bigint;
  readonly trustedRoot: string;
  /** What a proof with one changed byte was refused with. */
  readonly forgery: string;
}

/** @throws LedgerError of the families of verification when anything does not hold */
export async function proveAnswers(
  run: Run,
  ledger: DevLedger,
  anchor: string,
  { owner, parent }: Imported,
): Promise<Proven> {
  const { tenant, node, pins } = ledger;
  const endpoints = node.grpcAddress;
  const plain = await run.client({ endpoints, tenant, verify: undefined });
  const verify = { anchor, pinnedRoots: new FileRoots(pins) };
  const verifying = await run.client({ endpoints, tenant, verify });
  const stranger = formatTuple({ ...parseTuple(owner), subject: "user:mallory" });
  const fetch = (tuple: string): Promise<ProofFile> =>
    fetchProof(plain, slugs(ledger), { kind: "tuple", tuple }, run.call);
  const [ownerFile, strangerFile] = [await fetch(owner), await fetch(stranger)];
  const { allowed, verified } = await verifying.check(owner, run.call);
  const other = await verifying.check(stranger, run.call);
  if (verified === undefined) throw new LedgerError("PROOF_INSUFFICIENT", "nothing was verified");
  const entries = await verifying.list({ relation: "parent", subject: parent }, run.call).collect();
  return {
    present: expect(prove(anchor, owner, ownerFile, allowed), true),
    absent: expect(prove(anchor, stranger, strangerFile, other.allowed), false),
    list: { of: parent, entries: entries.length },
    trustedSize: verified.trustedSize,
    trustedRoot: toHex(verified.trustedRoot),
    forgery: refusalOf(anchor, forged(ownerFile)),
  };
}

/** Verifies a proof as a file, beside what the verifying client has computed from another one. */
function prove(anchor: string, tuple: string, file: ProofFile, allowed: boolean): ProvenAnswer {
  const startMs = performance.now();
  const { answer } = verifyProofFile(anchor, file, nodeCrypto);
  const verifyMs = performance.now() - startMs;
  if ((answer === "present") !== allowed) {
    throw new LedgerError("PROOF_INVALID", `two proofs of ${tuple} disagree`);
  }
  return { tuple, allowed, proofBytes: bytesOf(file), verifyMs };
}

function slugs({ tenant }: DevLedger): { organization: string; vault: string } {
  return { organization: String(tenant.organization), vault: String(tenant.vault) };
}

function bytesOf({ proof }: ProofFile): number {
  const { stateProof, header, historyProof, checkpoint, consistencyProof } = proof;
  const parts = [stateProof, header, ...historyProof, ...consistencyProof];
  return parts.reduce((sum, part) => sum + part.length, checkpoint.length);
}

function expect(answer: ProvenAnswer, allowed: boolean): ProvenAnswer {
  if (answer.allowed === allowed) return answer;
  const proven = answer.allowed ? "present" : "absent";
  const message = `${answer.tuple} is proven to be ${proven}, which is not what was imported`;
  throw new LedgerError("PROOF_INVALID", message, { details: { tuple: answer.tuple } });
}

/** The same proof with one byte changed, anywhere. */
function forged(file: ProofFile): ProofFile {
  const stateProof = file.proof.stateProof.slice();
  stateProof[randomBytes(4).readUInt32BE() % stateProof.length]! ^= 1;
  return { ...file, proof: { ...file.proof, stateProof } };
}

function refusalOf(anchor: string, file: ProofFile): string {
  try {
    verifyProofFile(anchor, file, nodeCrypto);
  } catch (thrown) {
    return LedgerError.from(thrown).code;
  }
  throw new LedgerError("INTERNAL", "a proof with a changed byte was accepted");
}
