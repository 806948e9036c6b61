/** `authledger scrub`: a node recomputes everything that it stores, while it serves. */
import type { IntegrityReport } from "@authledger/sdk";
import { ExitCode } from "@authledger/types";
import type { Command } from "commander";
import type { Printable } from "../output/json-value.js";
import { timeText } from "../output/printer.js";
import type { CommandFrame, Run } from "../run/command.js";

/** One call waits so long; the command asks until the pass has ended. */
const WAIT_MS = 2_000;

export function addScrubCommand(program: Command, frame: CommandFrame): void {
  const scrub = program
    .command("scrub")
    .description("have the node recompute everything that it stores from its records")
    .option("--last", "tell of the last pass instead of beginning one")
    .addHelpText("after", "\nExits with 8 when something is damaged.");
  frame.handle(scrub, runScrub);
}

async function runScrub(run: Run): Promise<number> {
  const { admin } = await run.client();
  const isLast = run.flags["last"] === true;
  let report = await admin.checkIntegrity({ ...run.call, waitMs: WAIT_MS, follow: isLast });
  while (report.running && !isLast) {
    run.say(`${report.pages} pages, ${report.leaves} leaves, ${report.blocks} blocks looked at`);
    report = await admin.checkIntegrity({ ...run.call, waitMs: WAIT_MS, follow: true });
  }
  for (const { text } of report.differences) run.io.err(`damaged: ${text}\n`);
  const isWhole = report.differences.length === 0;
  await run.print.one({ name: isWhole ? "ok" : "damaged", fields: fieldsOf(report) });
  return isWhole ? ExitCode.OK : ExitCode.CORRUPTED;
}

function fieldsOf(report: IntegrityReport): Readonly<Record<string, Printable>> {
  const { startedAtMs, endedAtMs, differences, divergedVaults } = report;
  return {
    result: differences.length === 0 ? "ok" : "damaged",
    running: report.running,
    passes: report.passes,
    started_at: timeText(startedAtMs),
    ended_at: timeText(endedAtMs),
    pages: report.pages,
    vaults: report.vaults,
    leaves: report.leaves,
    branches: report.branches,
    blocks: report.blocks,
    transactions: report.transactions,
    index_rows: report.indexRows,
    skipped: report.skipped,
    diverged_vaults: divergedVaults,
    differences: differences.map(({ area, organization, vault, bucket, path, height, what }) => ({
      ...{ area, organization, vault, what },
      ...(bucket !== undefined && { bucket }),
      ...(path !== undefined && { path }),
      ...(height !== undefined && { height }),
    })),
  };
}
