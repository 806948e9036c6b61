/** `authledger compact`: makes the file of a node's store smaller, while it serves or while it is stopped. */
import type { CompactionReport } from "@authledger/sdk";
import type { Command } from "commander";
import type { Thing } from "../output/printer.js";
import { sizeText } from "../output/quantity.js";
import { type CommandFrame, type Run, textFlag } from "../run/command.js";
import { usage } from "../run/settings.js";

/** What a compaction of a large file takes, unless --timeout says otherwise. */
const DEADLINE_MS = 3_600_000;

type Size = Readonly<Record<"pages" | "freePages" | "bytes", bigint | number>>;
type Report = Omit<CompactionReport, "before" | "after"> | OfflineFigures;
interface OfflineFigures {
  readonly leavesVisited: number;
  readonly leavesJoined: number;
  readonly pagesMoved: number;
  readonly valuesMoved: number;
  readonly passes: number;
}

export function addCompactCommand(program: Command, frame: CommandFrame): void {
  const compact = program
    .command("compact")
    .description("give space that deletes freed back to the file system")
    .option("--data <directory>", "of a node that is stopped; without it the node is asked")
    .option("--fill <percent>", "join leaves filled less than this, 1 to 50 (default 40)")
    .addHelpText("after", "\nThe node serves on meanwhile. Ctrl-C leaves its compaction running.");
  frame.handle(compact, runCompact);
}

async function runCompact(run: Run): Promise<undefined> {
  const fillPercent = fillOf(run);
  const data = textFlag(run, "data");
  if (data === undefined) {
    const { admin } = await run.client();
    const deadlineMs = run.call.deadlineMs ?? DEADLINE_MS;
    const report = await admin.compact({ ...run.call, deadlineMs, fillPercent });
    await run.print.one(thingOf(report.before!, report.after!, report));
    return undefined;
  }
  // Loaded here, since asking a node needs no engine.
  const { compactDataDirectory } = await import("@authledger/engine");
  const stores = await compactDataDirectory(data, {
    fillThreshold: fillPercent === undefined ? undefined : fillPercent / 100,
    signal: run.io.signal,
  });
  await run.print.many(stores.map(({ before, after, ...done }) => thingOf(before, after, done)));
  return undefined;
}

function fillOf(run: Run): number | undefined {
  const text = textFlag(run, "fill");
  if (text === undefined) return undefined;
  const percent = Number(text);
  if (Number.isInteger(percent) && percent >= 1 && percent <= 50) return percent;
  throw usage(`--fill "${text}" is not a number of per cent from 1 to 50`);
}

function thingOf(before: Size, after: Size, done: Report): Thing {
  const { leavesVisited, leavesJoined, pagesMoved, valuesMoved, passes } = done;
  return {
    name: String(after.bytes),
    fields: {
      before: sizeText(Number(before.bytes)),
      after: sizeText(Number(after.bytes)),
      before_bytes: BigInt(before.bytes),
      after_bytes: BigInt(after.bytes),
      before_pages: BigInt(before.pages),
      after_pages: BigInt(after.pages),
      before_free_pages: BigInt(before.freePages),
      after_free_pages: BigInt(after.freePages),
      leaves_visited: BigInt(leavesVisited),
      leaves_joined: BigInt(leavesJoined),
      pages_moved: BigInt(pagesMoved),
      values_moved: BigInt(valuesMoved),
      passes: BigInt(passes),
    },
    columns: [
      "before",
      "after",
      "before_free_pages",
      "after_free_pages",
      "leaves_joined",
      "pages_moved",
      "values_moved",
      "passes",
    ],
  };
}
