/** Asks a node for an answer with its proof, as a file holds them. Nothing is verified here. */
import type { LedgerClient, Proof, ReadOptions } from "@authledger/sdk";
import { formatTuple, LedgerError } from "@authledger/types";
import { policiesOf } from "./policies-file.js";
import type { ProofFile, ProofQuestion } from "./proof-file.js";

/** Proofs of files start at the anchored genesis, so that anchor and file are all one needs. */
const FROM_GENESIS = { trustedSize: 1n };

/** @param client one that does not verify: the file is for a verifier that trusts nobody */
export async function fetchProof(
  client: LedgerClient,
  tenant: Pick<ProofFile, "organization" | "vault">,
  question: ProofQuestion,
  call: ReadOptions,
): Promise<ProofFile> {
  const anchor = JSON.parse(await client.admin.getTrustAnchor(tenant, call)) as Anchor;
  const { origin, salt } = anchor;
  const asked = await ask(client, question, call);
  // Behind the proof: whoever has signed it is named by the newest of them, or by one before.
  const policies = await policiesOf(
    client,
    { ...tenant, checkpoint: asked.proof.checkpoint },
    call,
  );
  return { ...tenant, origin, salt, question, ...asked, policies };
}

interface Anchor {
  readonly origin: string;
  readonly salt: string;
}

type Asked = Pick<ProofFile, "height" | "proof" | "value" | "nonce" | "erased" | "answer">;

async function ask(
  client: LedgerClient,
  question: ProofQuestion,
  call: ReadOptions,
): Promise<Asked> {
  const options = { ...call, prove: FROM_GENESIS };
  if (question.kind === "tuple") {
    const { stored, height, proof } = await client.hasTuple(question.tuple, options);
    return { height, proof: required(proof), answer: stored ? "present" : "absent" };
  }
  if (question.kind === "entity") {
    const { entity, nonce, height, proof } = await client.read(question.key, options);
    const shown = entity && nonce ? { value: entity.value, nonce } : {};
    const whole = { height, proof: required(proof), ...shown };
    if (entity?.erased) return { ...whole, erased: true, answer: "erased" };
    return { ...whole, answer: entity ? "present" : "absent" };
  }
  const { kind: _, ...filter } = question;
  const pages = client.list(filter, options).pages();
  const { value: page, done } = await pages.next();
  if (done === true) throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no page");
  const { height, proof, relationships } = page;
  const whole = required(proof);
  if (whole.pageTo.length > 0) {
    const message = "the list is longer than one proof of 1,000 rows; name a relation";
    throw new LedgerError("LIMIT_EXCEEDED", message, { details: { limit: 1_000 } });
  }
  const answer = relationships.map(({ tuple }) => formatTuple(tuple));
  return { height, proof: whole, answer };
}

function required(proof: Proof | undefined): Proof {
  if (proof !== undefined) return proof;
  throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no proof");
}
