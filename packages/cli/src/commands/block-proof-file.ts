/** The file of a block proof: a block, the state that it touched, and that it is in the signed history. */
import { decodeTransaction, type PolicyReceipt, verifyAnswer } from "@authledger/proof";
import { type BlockProof, judgeBlockProof, nodeCrypto } from "@authledger/sdk";
import { fromHex, LedgerError } from "@authledger/types";
import { jsonOf, jsonText, type Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import { trustFor, underPolicies } from "../run/anchor.js";
import { type Run, requireTenant, textFlag } from "../run/command.js";
import { saveDurably } from "../run/durable-file.js";
import { parsePolicies, policiesField } from "../run/policy-list.js";
import { readText } from "../run/read-text.js";
import { wholeOf } from "../run/settings.js";
import { policiesOf } from "./policies-file.js";

/** `block proof`. The proof is of the anchored genesis on, so that anchor and file are all one needs. */
export async function proveBlock(run: Run): Promise<undefined> {
  const tenant = requireTenant(run);
  const height = BigInt(wholeOf(textFlag(run, "height")!, "height"));
  const client = await run.client({ verify: undefined });
  const shown = await client.getBlockProof(height, { ...run.call, prove: { trustedSize: 1n } });
  const proven = fieldsOf(shown);
  const policies = await policiesOf(client, { ...tenant, checkpoint: proven.checkpoint }, run.call);
  const fields = { ...tenant, height, ...proven, ...policiesField(policies) };
  const path = textFlag(run, "file");
  if (path === undefined) {
    await run.print.one({ name: String(height), fields });
    return undefined;
  }
  await saveDurably(path, `${jsonText(jsonOf(fields), 2)}\n`);
  run.say(`wrote ${path}: block ${height} with ${shown.witness.length} bytes of witness`);
  return undefined;
}

interface ProvenFields {
  readonly checkpoint: string;
  readonly [name: string]: Printable;
}

function fieldsOf(shown: BlockProof): ProvenFields {
  const { proof } = shown;
  if (proof === undefined) throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no proof");
  return {
    header: shown.header,
    previous_header: shown.previousHeader ?? null,
    transactions: [...shown.transactions],
    witness: shown.witness,
    compact_range: [...shown.compactRange],
    history_proof: [...proof.historyProof],
    consistency_proof: [...proof.consistencyProof],
    checkpoint: proof.checkpoint,
  };
}

/** `block verify`. @throws LedgerError PROOF_INVALID */
export async function verifyBlockFile(run: Run, path = ""): Promise<undefined> {
  const file = parse(await readText(path));
  const anchor = await trustFor(run, file);
  const wanted = { want: "any", nowMs: 0, maxAgeS: 0, maxSkewS: 0 } as const;
  const { header, transactions } = file.block;
  const sent = { ...file.proof, header, stateProof: new Uint8Array(0) };
  const verified = underPolicies(anchor, file.policies, (trust) =>
    verifyAnswer(trust, sent, wanted, nodeCrypto),
  );
  const { trust } = verified;
  const { stateRoot, leafCount, changes } = judgeBlockProof(trust, file.block);
  const operations = transactions.reduce((sum, one) => sum + decodeTransaction(one).ops.length, 0);
  const fields = {
    verified: true,
    origin: trust.origin,
    height: BigInt(verified.height),
    time: timeText(verified.header.timestampMs) ?? null,
    time_ms: BigInt(verified.header.timestampMs),
    transactions: transactions.length,
    operations,
    leaves_changed: changes.length,
    leaf_count: leafCount,
    state_root: stateRoot,
    checkpoint_size: trust.head.size,
    anchor: anchor.from,
  };
  run.say(`verified: block ${verified.height} leads to the state that its header names`);
  await run.print.one({ name: String(verified.height), fields });
  return undefined;
}

interface BlockProofFile {
  readonly organization: string;
  readonly vault: string;
  readonly block: BlockProof;
  readonly policies: readonly PolicyReceipt[];
  readonly proof: {
    readonly historyProof: readonly Uint8Array[];
    readonly consistencyProof: readonly Uint8Array[];
    readonly checkpoint: string;
  };
}

/** @throws LedgerError PROOF_INVALID */
function parse(text: string): BlockProofFile {
  try {
    const file = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const hex = (name: string): Uint8Array => fromHex(textOf(file, name));
    const list = (name: string): Uint8Array[] => {
      const items = file[name];
      if (!Array.isArray(items)) throw new Error(`${name} is no list`);
      return items.map((item) => fromHex(String(item)));
    };
    return {
      organization: textOf(file, "organization"),
      vault: textOf(file, "vault"),
      policies: parsePolicies(file["policies"]),
      block: {
        header: hex("header"),
        previousHeader: file["previous_header"] === null ? undefined : hex("previous_header"),
        transactions: list("transactions"),
        witness: hex("witness"),
        compactRange: list("compact_range"),
      },
      proof: {
        historyProof: list("history_proof"),
        consistencyProof: list("consistency_proof"),
        checkpoint: textOf(file, "checkpoint"),
      },
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `the file is not that of a block proof: ${why}`;
    throw new LedgerError("PROOF_INVALID", message, { details: { reason: "file" }, cause });
  }
}

function textOf(file: Readonly<Record<string, unknown>>, name: string): string {
  const value = file[name];
  if (typeof value !== "string") throw new Error(`${name} is missing or not text`);
  return value;
}
