/**
 * The second part of the quickstart: asks the node who may read a file, and takes nothing on trust. Every decision is made
 * again here, over its proof and against the vault's anchor; what the node merely says is only compared with that.
 */
import { randomBytes } from "node:crypto";
import { ModelCache, verifyDecision } from "@authledger/authz";
import { parseTrustAnchor, trustFromAnchor, verifyAnswer } from "@authledger/proof";
import { type Decision, FileRoots, type LedgerClient, nodeCrypto } from "@authledger/sdk";
import { LedgerError, toHex } from "@authledger/types";
import type { DevLedger } from "../dev/dev-ledger.js";
import { decidingSteps, explanationLines, shownStep } from "../output/explanation.js";
import type { Run } from "../run/command.js";
import type { Imported } from "./posix-import.js";

/** Somebody without rights of his own, and whose account every Unix has. */
const STRANGER = "user:nobody";
const SUPERUSER = "user:root";

/** Of an explanation; `authledger explain` has all of it. */
const WHY_LINES = 14;

/** One question, with the proof's answer. */
export interface ProvenAnswer {
  readonly tuple: string;
  readonly allowed: boolean;
  /** Of state, header, history, checkpoint, model and values together. */
  readonly proofBytes: number;
  /** To verify it and to decide again. */
  readonly verifyMs: number;
  /** Why, in lines. */
  readonly why: readonly string[];
}

export interface Proven {
  readonly allowed: ProvenAnswer;
  readonly denied: ProvenAnswer;
  readonly superuser: ProvenAnswer;
  readonly list: { readonly of: string; readonly entries: number };
  readonly trustedSize: bigint;
  readonly trustedRoot: string;
  /** What a proof with one changed byte was refused with. */
  readonly forgery: string;
}

/** @throws LedgerError of the families of verification when anything does not hold */
export async function proveDecisions(
  run: Run,
  ledger: DevLedger,
  anchor: string,
  { open, secret, parent }: Imported,
): Promise<Proven> {
  const { tenant, node, pins } = ledger;
  const reach = { endpoints: node.grpcAddress, tenant };
  const verify = { anchor, pinnedRoots: new FileRoots(pins) };
  const plain = await run.client({ ...reach, verify: undefined });
  const verifying = await run.client({ ...reach, verify });
  const ask = async (tuple: string, wanted: boolean): Promise<ProvenAnswer> => {
    const answer = await prove(run, plain, anchor, tuple, wanted);
    const other = await verifying.check(tuple, run.call);
    if (other.allowed === answer.allowed) return answer;
    throw new LedgerError("PROOF_INVALID", `two proofs of ${tuple} disagree`);
  };
  const allowed = await ask(`${open}@${STRANGER}`, true);
  const denied = await ask(`${secret}@${STRANGER}`, false);
  const superuser = await ask(`${secret}@${SUPERUSER}`, true);
  const { verified } = await verifying.check(denied.tuple, run.call);
  if (verified === undefined) throw new LedgerError("PROOF_INSUFFICIENT", "nothing was verified");
  const entries = await verifying.list({ relation: "parent", subject: parent }, run.call).collect();
  return {
    ...{ allowed, denied, superuser },
    list: { of: parent, entries: entries.length },
    trustedSize: verified.trustedSize,
    trustedRoot: toHex(verified.trustedRoot),
    forgery: refusalOf(anchor, forged(await fetchDecision(run, plain, denied.tuple))),
  };
}

async function prove(
  run: Run,
  client: LedgerClient,
  anchor: string,
  tuple: string,
  wanted: boolean,
): Promise<ProvenAnswer> {
  const sent = await fetchDecision(run, client, tuple);
  const startMs = performance.now();
  const allowed = decideAgain(anchor, sent);
  const verifyMs = performance.now() - startMs;
  if (allowed !== wanted) {
    const proven = allowed ? "allowed" : "denied";
    const message = `${tuple} is proven to be ${proven}, which is not what was imported`;
    throw new LedgerError("PROOF_INVALID", message, { details: { tuple } });
  }
  const { explanation } = await client.explain(tuple, { ...run.call, unproven: true });
  const lines = explanationLines(decidingSteps(shownStep(explanation)));
  const why = lines.length > WHY_LINES ? [...lines.slice(0, WHY_LINES), "..."] : lines;
  return { tuple, allowed, proofBytes: bytesOf(sent), verifyMs, why };
}

type SentDecision = Decision & Required<Pick<Decision, "proof" | "evidence">>;

/** A decision with all that a stranger needs to make it again. */
async function fetchDecision(run: Run, client: LedgerClient, tuple: string): Promise<SentDecision> {
  // From the anchored genesis on, so that anchor and proof are all one needs.
  const decided = await client.check(tuple, { ...run.call, prove: { trustedSize: 1n } });
  const { proof, evidence } = decided;
  if (proof === undefined || evidence === undefined) {
    throw new LedgerError("PROOF_INSUFFICIENT", "the node sent no proof");
  }
  return { ...decided, proof, evidence };
}

/** What follows from the bytes alone. @throws LedgerError PROOF_INVALID, PROOF_INSUFFICIENT */
function decideAgain(anchorText: string, { proof, evidence }: SentDecision): boolean {
  const trust = trustFromAnchor(parseTrustAnchor(nodeCrypto.hasher, anchorText));
  const wanted = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  const { state, timeMs } = verifyAnswer(trust, proof, wanted, nodeCrypto);
  const { question } = evidence;
  if (state === undefined || question.kind !== "check") {
    throw new LedgerError("PROOF_INSUFFICIENT", "the proof shows no state");
  }
  const deps = { hasher: nodeCrypto.hasher, models: new ModelCache() };
  const answer = evidence.answer as { kind: "check"; allowed: readonly boolean[] };
  const { answer: again } = verifyDecision(
    { state, timeMs },
    { ...evidence, answer },
    question,
    deps,
  );
  return again.allowed[0] === true;
}

function bytesOf({ proof, evidence }: SentDecision): number {
  const { stateProof, header, historyProof, checkpoint, consistencyProof } = proof;
  const { activeModel, modelBody, tupleValues } = evidence;
  const parts = [stateProof, header, ...historyProof, ...consistencyProof];
  const values = [activeModel, modelBody, ...tupleValues];
  return [...parts, ...values].reduce((sum, part) => sum + part.length, checkpoint.length);
}

/** The same proof with one byte changed, anywhere. */
function forged(sent: SentDecision): SentDecision {
  const stateProof = sent.proof.stateProof.slice();
  stateProof[randomBytes(4).readUInt32BE() % stateProof.length]! ^= 1;
  return { ...sent, proof: { ...sent.proof, stateProof } };
}

function refusalOf(anchor: string, sent: SentDecision): string {
  try {
    decideAgain(anchor, sent);
  } catch (thrown) {
    return LedgerError.from(thrown).code;
  }
  throw new LedgerError("INTERNAL", "a proof with a changed byte was accepted");
}
