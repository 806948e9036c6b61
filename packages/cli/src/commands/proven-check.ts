/** `check --prove`: proven, and decided again here, with all that a receipt holds. */
import { type Decision, FileRoots } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { type Run, requireTenant, textFlag } from "../run/command.js";
import { consistencyOf } from "../run/consistency.js";
import { contextOf } from "../run/context-values.js";
import { usage, verifyOptions } from "../run/settings.js";
import { writeDecisionReceipt } from "./decision-receipt.js";
import { policiesOf } from "./policies-file.js";
import { stateReceipt } from "./receipt.js";

export function withProof(command: Command): Command {
  return command
    .option("--prove", "and decide again here, over the proof; says where the trust comes from")
    .option("--receipt <file>", "with --prove: write a receipt that `proof verify` checks offline");
}

export function isProvenCheck(run: Run): boolean {
  if (run.flags["prove"] === true) return true;
  if (textFlag(run, "receipt") !== undefined) throw usage("--receipt needs --prove");
  return false;
}

/** The decision, and what there is to say of its trust. */
export async function decideProven(
  run: Run,
  tuple: string,
): Promise<{
  readonly decision: Decision;
  readonly more: { readonly [name: string]: Printable };
}> {
  const root = await rootFrom(run);
  const client = await run.client({ verify: await verifyOptions(run.settings) });
  const context = contextOf(run);
  const decision = await client.check(tuple, {
    ...run.call,
    consistency: consistencyOf(run),
    prove: { trustedSize: 1n },
    ...(context && { context }),
  });
  const { height, proof, evidence } = decision;
  const receiptPath = textFlag(run, "receipt");
  if (receiptPath !== undefined) {
    if (proof === undefined || evidence === undefined) {
      throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no proof");
    }
    const receipt = stateReceipt({ proof, height });
    const head = { ...requireTenant(run), checkpoint: proof.checkpoint };
    const policies = await policiesOf(client, head, run.call);
    await writeDecisionReceipt(run, receiptPath, { receipt, decision: evidence, policies });
  }
  return { decision, more: { root_from: root } };
}

/** Where the trust of this call begins, in words. */
async function rootFrom(run: Run): Promise<string> {
  const { organization, vault } = requireTenant(run);
  const { pins, anchorFile, trustOnFirstUse } = run.settings;
  const pinned = await new FileRoots(pins).load(`${organization}-${vault}`);
  if (pinned !== undefined) return `the pinned root in ${pins}`;
  if (anchorFile !== undefined) return `the anchor in ${anchorFile}`;
  return trustOnFirstUse ? "the server itself, at first contact" : "nowhere";
}
