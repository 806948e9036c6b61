/** `authledger proof get|verify`: proofs as files that outlive the server. */
import { parseReceipt } from "@authledger/proof";
import { nodeCrypto } from "@authledger/sdk";
import { formatTuple, parseTuple } from "@authledger/types";
import type { Command } from "commander";
import { timeText } from "../output/printer.js";
import { trustFor, underPolicies } from "../run/anchor.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { consistencyOf, withHeight } from "../run/consistency.js";
import { readText } from "../run/read-text.js";
import { usage } from "../run/settings.js";
import { policiesOf } from "./policies-file.js";
import { fetchProof } from "./proof-fetch.js";
import { type ProofQuestion, parseProofFile, proofFields } from "./proof-file.js";
import { verifyProofFile } from "./proof-verify.js";
import {
  blockReceipt,
  isReceipt,
  stateReceipt,
  verifyReceiptFile,
  writeReceipt,
} from "./receipt.js";

export function addProofCommands(program: Command, frame: CommandFrame): void {
  const proof = program.command("proof").description("answers that anyone can check");
  const get = proof
    .command("get")
    .argument("[tuple]", "resource#relation@subject")
    .description("fetch the proof of a tuple, an entity or a whole list (-o json for a file)")
    .option("--key <key>", "of this entity")
    .option("--resource <type:id>", "of the list of this resource")
    .option("--relation <name>", "only this relation of the list")
    .option("--subject <type:id>", "of the list of this subject")
    .option("--receipt", "as a receipt, a .tlog-proof file that outlives the node")
    .option("--transaction <height:index>", "a receipt of this transaction")
    .option("--block <height>", "a receipt of this block")
    .option("-f, --file <file>", "where the receipt is written (default: standard output)");
  frame.handle(withHeight(get), getProof);
  const verify = proof
    .command("verify")
    .argument("<file>", "what `proof get` wrote, JSON or a receipt; - for standard input")
    .argument("[tuple]", "what a receipt of the state is asked")
    .option("--key <key>", "ask a receipt for this entity")
    .option("--resource <type:id>", "ask a receipt for the list of this resource")
    .option("--relation <name>", "only this relation of the list")
    .option("--subject <type:id>", "ask a receipt for the list of this subject")
    .description("check a proof here, without a server, against --anchor or the pinned root")
    .addHelpText(
      "after",
      "\nThe receipt of a decision (check --receipt) is decided again; the file .decision lies beside it." +
        "\nA file .policies beside a receipt leads from the anchor's replicas to those that signed.",
    );
  frame.handle(verify, verifyProof);
}

async function getProof(run: Run, tupleText?: string): Promise<undefined> {
  const tenant = requireTenant(run);
  const client = await run.client({ verify: undefined });
  const ofBlock = await blockReceipt(run, client);
  if (ofBlock !== undefined) {
    const { checkpoint } = parseReceipt(ofBlock);
    const policies = await policiesOf(client, { ...tenant, checkpoint }, run.call);
    return void (await writeReceipt(run, ofBlock, { policies }));
  }
  const question = questionOf(run, tupleText);
  const file = await fetchProof(client, tenant, question, {
    ...run.call,
    consistency: consistencyOf(run),
  });
  if (run.flags["receipt"] === true) {
    return void (await writeReceipt(run, stateReceipt(file), file));
  }
  const fields = proofFields(file);
  const columns = ["origin", "height", "question", "answer", "checkpoint"];
  await run.print.one({ name: `${file.origin}@${file.height}`, fields, columns });
  return undefined;
}

/** @throws LedgerError USAGE unless exactly one thing is asked for */
function questionOf(run: Run, tupleText: string | undefined): ProofQuestion {
  const key = textFlag(run, "key");
  const [resource, relation, subject] = ["resource", "relation", "subject"].map((name) =>
    textFlag(run, name),
  );
  const isList = resource !== undefined || subject !== undefined;
  const asked = [tupleText !== undefined, key !== undefined, isList];
  if (asked.filter(Boolean).length !== 1) {
    throw usage("give one of: a tuple, --key, or --resource or --subject");
  }
  if (key !== undefined) return { kind: "entity", key };
  if (tupleText !== undefined) return { kind: "tuple", tuple: formatTuple(parseTuple(tupleText)) };
  return {
    kind: "list",
    ...(resource !== undefined && { resource }),
    ...(relation !== undefined && { relation }),
    ...(subject !== undefined && { subject }),
  };
}

async function verifyProof(run: Run, path = "", tupleText?: string): Promise<undefined> {
  const text = path === "-" ? await inputText(run) : await readText(path);
  if (isReceipt(text)) {
    const flags = ["key", "resource", "relation", "subject"].map((name) => textFlag(run, name));
    const isNothing = [tupleText, ...flags].every((given) => given === undefined);
    const question = (): ProofQuestion => questionOf(run, tupleText);
    return verifyReceiptFile(run, { path, text }, { isNothing, question });
  }
  const file = parseProofFile(text);
  const anchor = await trustFor(run, file);
  const shown = underPolicies(anchor, file.policies, (trust) =>
    verifyProofFile(trust, file, nodeCrypto),
  );
  const { height, timeMs, size, cosignedBy, answer, commitment } = shown;
  const { kind } = file.question;
  const fields = {
    verified: true,
    question: proofFields(file)["question"],
    answer,
    ...(commitment && { value_length: commitment.length, value_digest: commitment.digest }),
    height,
    time: timeText(timeMs),
    time_ms: timeMs,
    origin: file.origin,
    checkpoint_size: size,
    cosigned_by: cosignedBy,
    anchor: anchor.from,
  };
  run.say(`verified: ${kind} as of block ${height}, under the anchor of ${anchor.from}`);
  const columns = Object.keys(fields).filter((name) => name !== "time_ms");
  await run.print.one({ name: Array.isArray(answer) ? "list" : String(answer), fields, columns });
  return undefined;
}

const INPUT_BYTES_MAX = 64 * 1024 * 1024;

async function inputText({ io }: Run): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of io.input) {
    bytes += part.length;
    if (bytes > INPUT_BYTES_MAX) throw usage("standard input is longer than 64 MiB");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
