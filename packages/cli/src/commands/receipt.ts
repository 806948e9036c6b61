/**
 * Receipts: answers as `.tlog-proof` files (c2sp.org/tlog-proof@v1) that need no server any more, not even one that
 * still has the block. The value of an entity lies beside its receipt, as nonce16 || value.
 */
import { readFile } from "node:fs/promises";
import {
  encodeTransactionProof,
  formatReceipt,
  inclusionProof,
  leafHash,
  lookupOf,
  NONCE_BYTES,
  type VerifiedReceipt,
  verifyReceipt,
} from "@authledger/proof";
import { type LedgerClient, nodeCrypto, type Proof } from "@authledger/sdk";
import { concatBytes, LedgerError } from "@authledger/types";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import { trustFor, underPolicies } from "../run/anchor.js";
import { type Run, requireTenant, textFlag } from "../run/command.js";
import { saveDurably } from "../run/durable-file.js";
import { usage, wholeOf } from "../run/settings.js";
import { transactionFields } from "./block.js";
import { decisionBeside, decisionShown, type ShownDecision } from "./decision-receipt.js";
import { policiesBeside, savePolicies } from "./policies-file.js";
import type { ProofFile, ProofQuestion } from "./proof-file.js";
import { answerOf } from "./proof-verify.js";

const FIRST_LINE = "c2sp.org/tlog-proof@v1\n";
const EMPTY = new Uint8Array(0);

export function isReceipt(text: string): boolean {
  return text.startsWith(FIRST_LINE);
}

/** What is in a block, for `--transaction` and `--block`; undefined where neither is asked for. */
export async function blockReceipt(run: Run, client: LedgerClient): Promise<string | undefined> {
  const [transaction, block] = [textFlag(run, "transaction"), textFlag(run, "block")];
  if (transaction === undefined && block === undefined) return undefined;
  const [height, index] = placeOf(transaction ?? `${block}:0`);
  const { header, transactions, proof } = await client.getBlock(BigInt(height), {
    ...run.call,
    transactions: true,
    prove: { trustedSize: 0n },
  });
  if (proof === undefined) throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no proof");
  if (index >= transactions.length) {
    throw usage(`block ${height} has ${transactions.length} transactions; there is no ${index}`);
  }
  const inside = transaction === undefined ? EMPTY : proveTransaction(transactions, index);
  return receiptOf({ ...proof, header }, BigInt(height), inside);
}

/** The receipt of an answer about the state. */
export function stateReceipt({ proof, height }: Pick<ProofFile, "proof" | "height">): string {
  return receiptOf(proof, height, proof.stateProof);
}

function receiptOf(proof: Proof, height: bigint, inside: Uint8Array): string {
  const { historyProof, checkpoint, header } = proof;
  return formatReceipt({ height, historyProof, checkpoint, header, inside });
}

function proveTransaction(transactions: readonly Uint8Array[], index: number): Uint8Array {
  const { hasher } = nodeCrypto;
  const leaves = transactions.map((bytes) => leafHash(hasher, bytes));
  const count = leaves.length;
  const path = inclusionProof(hasher, lookupOf(hasher, leaves), index, count);
  return encodeTransactionProof({ index, count, path, transaction: transactions[index]! });
}

/** `7:0` is the first transaction of block 7. @throws LedgerError USAGE */
function placeOf(text: string): [number, number] {
  const [height = "", index = "0", ...rest] = text.split(":");
  if (rest.length > 0) throw usage(`--transaction "${text}" is not height:index`);
  return [wholeOf(height, "transaction"), wholeOf(index, "transaction")];
}

/** Writes a receipt to its file, or prints it. */
export async function writeReceipt(
  run: Run,
  text: string,
  { nonce, value, policies }: Pick<ProofFile, "nonce" | "value" | "policies">,
): Promise<void> {
  const path = textFlag(run, "file");
  const beside = nonce && value && concatBytes(nonce, value);
  if (path === undefined) {
    if (beside) throw usage("the receipt of an entity is two files: give --file");
    if (policies.length > 0) run.say("the policies since the first one are not in it: give --file");
    return run.io.out(text);
  }
  const besides = await savePolicies(path, policies);
  if (beside) await saveDurably(valuePath(path), beside);
  await saveDurably(path, text);
  run.say(`wrote ${[path, ...(beside ? [valuePath(path)] : []), ...besides].join(" and ")}`);
}

function valuePath(path: string): string {
  return `${path}.value`;
}

/** What a receipt shows, against an anchor and nothing else. @throws LedgerError PROOF_INVALID, PROOF_INSUFFICIENT */
export async function verifyReceiptFile(
  run: Run,
  { path, text }: { readonly path: string; readonly text: string },
  asked: { readonly isNothing: boolean; readonly question: () => ProofQuestion },
): Promise<undefined> {
  const tenant =
    run.settings.anchorFile === undefined ? requireTenant(run) : { organization: "", vault: "" };
  const anchor = await trustFor(run, tenant);
  const receipt = underPolicies(anchor, path === "-" ? [] : await policiesBeside(path), (trust) =>
    verifyReceipt(trust, text, nodeCrypto),
  );
  const { header, timeMs, checkpoint } = receipt;
  const shown = await shownBy(receipt, path, asked);
  const fields = {
    verified: true,
    ...shown,
    height: BigInt(header.height),
    time: timeText(timeMs),
    time_ms: timeMs,
    origin: checkpoint.origin,
    checkpoint_size: checkpoint.size,
    cosigned_by: checkpoint.cosigned.map(({ name }) => name).sort(),
    anchor: anchor.from,
  };
  const { kind } = shown.question;
  run.say(`verified: ${kind} as of block ${header.height}, under the anchor of ${anchor.from}`);
  await run.print.one({ name: String(header.height), fields });
  return undefined;
}

interface Shown {
  readonly question: { readonly kind: string; readonly [name: string]: string };
  readonly answer: Printable;
}

async function shownBy(
  receipt: VerifiedReceipt,
  path: string,
  asked: { readonly isNothing: boolean; readonly question: () => ProofQuestion },
): Promise<Shown | ShownDecision> {
  const { content, timeMs, header } = receipt;
  if (content.kind === "block") return { question: { kind: "block" }, answer: header.stateRoot };
  if (content.kind === "transaction") {
    return { question: { kind: "transaction" }, answer: transactionFields(content.bytes) };
  }
  const decision = asked.isNothing ? await decisionBeside(path) : undefined;
  if (decision !== undefined) return decisionShown(receipt, decision);
  const question = asked.question();
  const { state } = content;
  const stored = question.kind === "entity" ? await valueBeside(path) : undefined;
  const file = { question, ...(stored && splitValue(stored)) };
  const { answer } = answerOf({ state, timeMs }, file, nodeCrypto);
  return { question: { ...question }, answer: typeof answer === "string" ? answer : [...answer] };
}

function splitValue(stored: Uint8Array): {
  readonly nonce: Uint8Array;
  readonly value: Uint8Array;
} {
  return { nonce: stored.slice(0, NONCE_BYTES), value: stored.slice(NONCE_BYTES) };
}

/** Absent beside the receipt of an entity that was not there. */
async function valueBeside(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(valuePath(path)));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const message = `cannot read ${valuePath(path)}: ${(cause as Error).message}`;
    throw new LedgerError("IO_READ_FAILED", message, { details: { path }, cause });
  }
}
