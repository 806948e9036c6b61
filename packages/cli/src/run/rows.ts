/** The rows of a list that a command was asked for, and whether they may be unproven. */
import type { Command } from "commander";
import type { Thing } from "../output/printer.js";
import { type Run, textFlag } from "./command.js";
import { wholeOf } from "./settings.js";

/** Adds `--unproven`, for questions whose answers have no proof. */
export function withoutProof(command: Command): Command {
  return command.option("--unproven", "take the node's word for it, also with --verify");
}

const PAGE_ROWS = 1_000;

/** As many as `--limit` says, as they come; pages are no larger than what is wanted. */
export async function* firstOf<T>(
  run: Run,
  listOf: (page: { readonly pageSize: number }) => AsyncIterable<T>,
  thingOf: (row: T) => Thing,
): AsyncGenerator<Thing, void, undefined> {
  const text = textFlag(run, "limit");
  const limit = text === undefined ? Number.POSITIVE_INFINITY : wholeOf(text, "limit");
  if (limit === 0) return;
  let count = 0;
  for await (const row of listOf({ pageSize: Math.min(limit, PAGE_ROWS) })) {
    yield thingOf(row);
    if (++count === limit) return;
  }
}
