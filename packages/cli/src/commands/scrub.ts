/**
 * `authledger scrub`: a node recomputes everything that it stores, while it serves.
 *
 *   INV-SCRUBRUN-1  "ok" is told of a whole pass of the one node that was asked: a pass is known by when it began, and
 *                   what a node tells of another one, or before the first has ended, is not its result.
 */
import type { IntegrityReport } from "@authledger/sdk";
import { ExitCode, LedgerError } from "@authledger/types";
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
    .addHelpText(
      "after",
      "\nExits with 8 when something is damaged. Of several endpoints the first is asked.",
    );
  frame.handle(scrub, runScrub);
}

async function runScrub(run: Run): Promise<number> {
  const [endpoint = ""] = run.settings.endpoints;
  const { admin } = await run.client({ endpoints: [endpoint] });
  const ask = (waitMs: number, follow: boolean): Promise<IntegrityReport> =>
    admin.checkIntegrity({ ...run.call, waitMs, follow });
  const isLast = run.flags["last"] === true;
  const report = isLast ? await ask(WAIT_MS, true) : await wholePass(run, ask);
  for (const { text } of report.differences) run.io.err(`damaged: ${text}\n`);
  const result = resultOf(report);
  await run.print.one({ name: result, fields: { result, ...fieldsOf(report) } });
  return result === "damaged" ? ExitCode.CORRUPTED : ExitCode.OK;
}

/** Begins a pass and waits for its end. @throws LedgerError UNAVAILABLE when nobody knows how it ended */
async function wholePass(
  run: Run,
  ask: (waitMs: number, follow: boolean) => Promise<IntegrityReport>,
): Promise<IntegrityReport> {
  // Without waiting: what is answered is the pass that begins, not what became of it.
  const begun = await ask(0, false);
  let report = begun;
  while (report.running) {
    const next = await ask(WAIT_MS, true);
    if (next.startedAtMs !== begun.startedAtMs) {
      // What was found stays true.
      const damaged = [report, next].find(({ differences }) => differences.length > 0);
      if (damaged !== undefined) return damaged;
      throw notEnded();
    }
    report = next;
    const { running, pages, leaves, blocks } = report;
    if (running) run.say(`${pages} pages, ${leaves} leaves, ${blocks} blocks looked at`);
  }
  if (report.passes === 0n && report.differences.length === 0) throw notEnded();
  return report;
}

function notEnded(): LedgerError {
  const message =
    "nobody knows how the pass ended: the node was started again, its state was replaced, or another pass began";
  return new LedgerError("UNAVAILABLE", message);
}

/** Differences are those since the start of the node, whether a pass has ended or not. */
function resultOf({ differences, passes, running }: IntegrityReport): string {
  if (differences.length > 0) return "damaged";
  if (passes > 0n) return "ok";
  return running ? "running" : "none";
}

function fieldsOf(report: IntegrityReport): Readonly<Record<string, Printable>> {
  const { startedAtMs, endedAtMs, differences, divergedVaults } = report;
  return {
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
