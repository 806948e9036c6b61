/**
 * The file that `authledger proof get -o json` writes. Bytes are hex, numbers of 64 bits are decimal strings, the
 * checkpoint is text; with the anchor it is all that a verifier needs, also one that somebody else wrote.
 */
import type { PolicyReceipt } from "@authledger/proof";
import type { Proof } from "@authledger/sdk";
import { fromHex, LedgerError } from "@authledger/types";
import type { Printable } from "../output/json-value.js";
import { parsePolicies, policiesField } from "../run/policy-list.js";

export type ProofQuestion =
  | { readonly kind: "tuple"; readonly tuple: string }
  | { readonly kind: "entity"; readonly key: string }
  | {
      readonly kind: "list";
      readonly resource?: string;
      readonly relation?: string;
      readonly subject?: string;
    };

export interface ProofFile {
  readonly organization: string;
  readonly vault: string;
  readonly origin: string;
  /** 64 hex digits. */
  readonly salt: string;
  readonly question: ProofQuestion;
  /** What the server said; a verifier computes its own. */
  readonly answer: "present" | "absent" | "erased" | readonly string[];
  readonly height: bigint;
  readonly proof: Proof;
  /** Of an entity that is present. */
  readonly value?: Uint8Array;
  readonly nonce?: Uint8Array;
  /** The value of the entity was erased: the proof shows its length and digest. */
  readonly erased?: true;
  /** The policies behind the vault's first one. */
  readonly policies: readonly PolicyReceipt[];
}

export function proofFields(file: ProofFile): { readonly [name: string]: Printable } {
  const { organization, vault, origin, salt, question, answer, height, proof } = file;
  return {
    organization,
    vault,
    origin,
    salt,
    question,
    answer,
    height,
    header: proof.header,
    state_proof: proof.stateProof,
    history_proof: proof.historyProof,
    checkpoint: proof.checkpoint,
    consistency_proof: proof.consistencyProof,
    value: file.value,
    nonce: file.nonce,
    erased: file.erased,
    ...policiesField(file.policies),
  };
}

/** @throws LedgerError PROOF_INVALID naming the field */
export function parseProofFile(text: string): ProofFile {
  const fields = objectOf(text);
  const texts = (name: string): string => textOf(fields, name);
  const hasValue = fields["value"] !== undefined;
  return {
    organization: slugOf(texts("organization"), "organization"),
    vault: slugOf(texts("vault"), "vault"),
    origin: texts("origin"),
    salt: texts("salt"),
    question: parseQuestion(fields["question"]),
    answer: "absent",
    height: BigInt(slugOf(texts("height"), "height")),
    proof: {
      header: hexOf(texts("header"), "header"),
      stateProof: hexOf(texts("state_proof"), "state_proof"),
      historyProof: hexList(fields, "history_proof"),
      checkpoint: texts("checkpoint"),
      consistencyProof: hexList(fields, "consistency_proof"),
      pageFrom: new Uint8Array(0),
      pageTo: new Uint8Array(0),
    },
    policies: parsePolicies(fields["policies"]),
    ...(fields["erased"] === true && { erased: true }),
    ...(hasValue && {
      value: hexOf(texts("value"), "value"),
      nonce: hexOf(texts("nonce"), "nonce"),
    }),
  };
}

type Fields = Readonly<Record<string, unknown>>;

function objectOf(text: string): Fields {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Fields;
  } catch {
    // told below
  }
  throw malformed("file", "is not the JSON of a proof");
}

function parseQuestion(value: unknown): ProofQuestion {
  if (typeof value !== "object" || value === null) throw malformed("question", "is missing");
  const fields = value as Fields;
  switch (fields["kind"]) {
    case "tuple":
      return { kind: "tuple", tuple: textOf(fields, "tuple") };
    case "entity":
      return { kind: "entity", key: textOf(fields, "key") };
    case "list": {
      const names = ["resource", "relation", "subject"].filter((name) => name in fields);
      const given = Object.fromEntries(names.map((name) => [name, textOf(fields, name)]));
      return { kind: "list", ...given };
    }
    default:
      throw malformed("question", "is of no known kind");
  }
}

function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value === "string") return value;
  throw malformed(name, "is missing or not text");
}

function slugOf(text: string, name: string): string {
  if (/^(0|[1-9][0-9]{0,19})$/.test(text)) return text;
  throw malformed(name, "is not a number in decimal");
}

function hexList(fields: Fields, name: string): Uint8Array[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw malformed(name, "is missing or not a list");
  return value.map((item) => {
    if (typeof item !== "string") throw malformed(name, "holds what is not text");
    return hexOf(item, name);
  });
}

function hexOf(text: string, name: string): Uint8Array {
  try {
    return fromHex(text);
  } catch {
    throw malformed(name, "is not hexadecimal");
  }
}

function malformed(field: string, why: string): LedgerError {
  return new LedgerError("PROOF_INVALID", `${field} of the proof ${why}`, {
    details: { reason: "file", field },
  });
}
