/** `authledger usage`: what an organization, or one vault of it, holds. */
import type { Command } from "commander";
import { sizeText } from "../output/quantity.js";
import { type CommandFrame, type Run, requireOrganization } from "../run/command.js";

export function addUsageCommand(program: Command, frame: CommandFrame): void {
  const command = program
    .command("usage")
    .description("what a vault holds, or with --all its whole organization")
    .option("--all", "all vaults of the organization together");
  frame.handle(command, showUsage);
}

async function showUsage(run: Run): Promise<undefined> {
  const organization = requireOrganization(run.settings);
  const vault = run.flags["all"] === true ? undefined : run.settings.tenant.vault;
  const { admin } = await run.client();
  const usage = await admin.getUsage({ organization, vault }, run.call);
  const { vaults, entities, tuples, records, liveBytes, historyBytes, blocks } = usage;
  await run.print.one({
    name: String(vault ?? organization),
    fields: {
      organization,
      ...(vault === undefined ? { vaults } : { vault, blocks }),
      ...{ entities, tuples, records },
      ...{ stored: sizeText(Number(liveBytes)), stored_bytes: liveBytes },
      ...{ history: sizeText(Number(historyBytes)), history_bytes: historyBytes },
    },
  });
  return undefined;
}
