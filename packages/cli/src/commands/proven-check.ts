/** `check --prove`: may this subject do this, by the active model? Proven, and decided again here. */
import type { ConditionContext } from "@authledger/authz";
import { FileRoots } from "@authledger/sdk";
import { ExitCode, LedgerError } from "@authledger/types";
import type { Command } from "commander";
import { type Run, requireTenant, textFlag } from "../run/command.js";
import { consistencyOf } from "../run/consistency.js";
import { usage, verifyOptions } from "../run/settings.js";
import { VERIFIED_COLUMNS, verifiedFields } from "./check-fields.js";
import { writeDecisionReceipt } from "./decision-receipt.js";
import { stateReceipt } from "./receipt.js";

export function withProof(command: Command): Command {
  return command
    .option("--prove", "decide by the active model, and decide again here over the proof")
    .option("--receipt <file>", "with --prove: write a receipt that `proof verify` checks offline")
    .option("--parameters <json>", "with --prove: values of the parameters of conditions");
}

export function isProvenCheck(run: Run): boolean {
  if (run.flags["prove"] === true) return true;
  for (const flag of ["receipt", "parameters"]) {
    if (textFlag(run, flag) !== undefined) throw usage(`--${flag} needs --prove`);
  }
  return false;
}

export async function runProvenCheck(run: Run, tuple: string): Promise<number> {
  const root = await rootFrom(run);
  const client = await run.client({ verify: await verifyOptions(run.settings) });
  const context = contextFlag(run);
  const decided = await client.decide(tuple, {
    ...run.call,
    consistency: consistencyOf(run),
    prove: { trustedSize: 1n },
    ...(context && { context }),
  });
  const { allowed, height, token, modelVersion, proof, evidence, verified } = decided;
  const receiptPath = textFlag(run, "receipt");
  if (receiptPath !== undefined) {
    if (proof === undefined || evidence === undefined) {
      throw new LedgerError("PROOF_INSUFFICIENT", "the server sent no proof");
    }
    const receipt = stateReceipt({ proof, height });
    await writeDecisionReceipt(run, receiptPath, { receipt, decision: evidence });
  }
  const result = allowed ? "allowed" : "denied";
  const about = { result, allowed, tuple, height, model_version: modelVersion, token };
  const columns = ["result", "tuple", "height", "model_version", ...VERIFIED_COLUMNS, "root_from"];
  const fields = { ...about, ...verifiedFields(verified), root_from: root };
  await run.print.one({ name: result, fields, columns });
  return !allowed && run.flags["exitCode"] === true ? ExitCode.DENIED : ExitCode.OK;
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

function contextFlag(run: Run): ConditionContext | undefined {
  const text = textFlag(run, "parameters");
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as ConditionContext;
    }
  } catch {
    // told below
  }
  throw usage("--parameters is not a JSON object");
}
