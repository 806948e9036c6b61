/** Where the verification of a file begins. */
import { FileRoots, nodeCrypto, pinnedAnchor } from "@authledger/sdk";
import { LedgerError } from "@authledger/types";
import { readText } from "./read-text.js";
import type { Run } from "./run.js";

/** Never from the file itself: that would prove only that the file agrees with itself. */
export async function anchorFor(
  { settings }: Run,
  { organization, vault }: { readonly organization: string; readonly vault: string },
): Promise<{ text: string; from: string }> {
  const { anchorFile, pins } = settings;
  if (anchorFile !== undefined) return { text: await readText(anchorFile), from: anchorFile };
  const name = `${organization}-${vault}`;
  const pinned = await new FileRoots(pins).load(name);
  if (pinned !== undefined) {
    return { text: pinnedAnchor(nodeCrypto.hasher, pinned), from: `the pinned root in ${pins}` };
  }
  const message = `no anchor for vault ${vault} of organization ${organization}: give --anchor FILE (authledger vault anchor prints it)`;
  throw new LedgerError("TRUST_ANCHOR_MISSING", message, { details: { pins } });
}
