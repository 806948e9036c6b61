/** What the tests of the importers share. */
import { writeFileSync } from "node:fs";
import { formatTuple, utf8 } from "@authledger/types";
import type {
  ImportOperation,
  ImportSource,
  RejectedItem,
  SourceItem,
} from "../../src/importers/import-source.js";

/** All items of a source. */
export async function itemsOf(source: ImportSource): Promise<SourceItem[]> {
  const items: SourceItem[] = [];
  for await (const batch of source.items()) items.push(...batch);
  return items;
}

export function operationsOf(items: readonly SourceItem[]): ImportOperation[] {
  return items.flatMap((item) => (item.kind === "operation" ? [item.operation] : []));
}

export function rejectedOf(items: readonly SourceItem[]): RejectedItem[] {
  return items.filter((item) => item.kind === "rejected");
}

/** The created tuples, as text. */
export function tuplesOf(items: readonly SourceItem[]): string[] {
  return operationsOf(items).map((operation) => {
    if (operation.op !== "create_tuple") throw new Error(`unexpected ${operation.op}`);
    return formatTuple(operation.tuple);
  });
}

/** A stream of the given chunks. */
export async function* chunksOf(
  ...chunks: readonly (string | Uint8Array)[]
): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === "string" ? utf8(chunk) : chunk;
}

/** User and group files with the given lines. */
export function userFiles(
  directory: string,
  passwd: readonly string[],
  group: readonly string[],
): { passwd: string; group: string } {
  const files = { passwd: `${directory}/passwd`, group: `${directory}/group` };
  writeFileSync(files.passwd, Buffer.from(`${passwd.join("\n")}\n`, "latin1"));
  writeFileSync(files.group, Buffer.from(`${group.join("\n")}\n`, "latin1"));
  return files;
}
