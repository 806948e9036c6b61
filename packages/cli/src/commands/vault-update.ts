/** `authledger vault update`: the name of a vault, and how much of its past it keeps. */

import type { Vault } from "@authledger/sdk";
import type { Command } from "commander";
import type { Thing } from "../output/printer.js";
import { type CommandFrame, type Run, requireTenant, textFlag } from "../run/command.js";
import { stating, withReason } from "../run/reason.js";
import { usage, wholeOf } from "../run/settings.js";

/** Blocks that `--retention compacted` keeps (L-24). */
const COMPACTED_BLOCKS = 10_000n;

export function addVaultUpdateCommand(
  vault: Command,
  frame: CommandFrame,
  thingOf: (vault: Vault) => Thing,
): void {
  const update = vault
    .command("update")
    .description("change --vault: its name, or how many of its newest blocks it keeps whole")
    .option("--name <name>", "another name")
    .option(
      "--retention <blocks>",
      `full, compacted (${COMPACTED_BLOCKS} blocks) or a number of blocks`,
    )
    .addHelpText(
      "after",
      "\nOlder blocks lose their transactions and states, for ever; headers and proofs of history stay.",
    );
  frame.handle(withReason(update), async (run) => {
    const name = textFlag(run, "name");
    const retentionBlocks = retentionOf(run);
    if (name === undefined && retentionBlocks === undefined) {
      throw usage("nothing to change: give --name or --retention");
    }
    const { admin } = await run.client();
    const changed = await admin.updateVault(
      requireTenant(run),
      { name, retentionBlocks },
      stating(run),
    );
    await run.print.one(thingOf(changed));
    return undefined;
  });
}

/** Newest blocks to keep; 0 = all. @throws LedgerError USAGE */
function retentionOf(run: Run): bigint | undefined {
  const text = textFlag(run, "retention");
  if (text === undefined) return undefined;
  if (text === "full") return 0n;
  if (text === "compacted") return COMPACTED_BLOCKS;
  const blocks = wholeOf(text, "retention");
  if (blocks > 0) return BigInt(blocks);
  throw usage("--retention 0 would keep nothing: say full to keep everything");
}

/** How people read a retention. */
export function retentionText(blocks: bigint): string {
  return blocks === 0n ? "full" : `${blocks} blocks`;
}
