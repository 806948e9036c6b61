/** Sees to it that a vault decides by the Unix permission rules, unless it has rules of its own. */
import type { CallOptions, LedgerClient } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { POSIX_MODEL } from "./posix-model.js";

/** @returns whether the model was deployed now */
export async function ensurePosixRules(client: LedgerClient, call: CallOptions): Promise<boolean> {
  try {
    await client.models.active(call);
    return false;
  } catch (thrown) {
    if (LedgerError.from(thrown).code !== "NO_ACTIVE_MODEL") throw thrown;
  }
  const reason = "the rules of what is imported";
  await client.models.deploy(POSIX_MODEL, { ...call, activate: true, reason });
  return true;
}
