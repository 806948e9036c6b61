/** The first part of the quickstart: the ownership of this machine's system folders becomes tuples. */
import { existsSync } from "node:fs";
import type { LedgerClient } from "@authledger/sdk";
import { formatTuple, type Tuple } from "@authledger/types";
import type { ImportSource, SourceItem } from "../importers/import-source.js";
import { posixSource } from "../importers/posix/posix-source.js";
import type { Run } from "../run/command.js";
import { importWithProgress } from "../run/import-progress.js";
import { IN_FLIGHT_DEFAULT } from "../run/import-run.js";

/** In this order, as far as they exist and the limit reaches. */
const SYSTEM_FOLDERS = ["/etc", "/usr", "/var", "/opt"];

/** A file that everybody knows. */
const LIKED = "file:/etc/passwd";

/** What the later parts ask about. */
export interface Imported {
  readonly folders: readonly string[];
  readonly tuples: number;
  readonly rejected: number;
  readonly seconds: number;
  /** Text of the block's height. */
  readonly height: string;
  /** Who owns a file that was imported. */
  readonly owner: string;
  /** The directory that holds this file. */
  readonly parent: string;
}

/** What is rejected is told on standard error and does not end the import. */
export async function importSystemFolders(
  run: Run,
  client: LedgerClient,
  limit: number,
): Promise<Imported> {
  const folders: string[] = [];
  const example = new Example();
  let [tuples, rejected, seconds, height] = [0, 0, 0, 0n];
  for (const folder of SYSTEM_FOLDERS.filter((path) => existsSync(path))) {
    if (tuples >= limit) break;
    const importing = importWithProgress(run, client, { inFlight: IN_FLIGHT_DEFAULT });
    await importing.run(example.watch(await posixSource(folder, { limit: limit - tuples })));
    const { summary } = importing;
    folders.push(folder);
    tuples += summary.operations;
    rejected += summary.rejected;
    seconds += importing.seconds;
    height = summary.height ?? height;
  }
  const { owner, parent } = example;
  return { folders, tuples, rejected, seconds, height: String(height), owner, parent };
}

/** Remembers one file of what passes by: /etc/passwd if it comes, else the first one. */
class Example {
  owner = "dir:/#root@user:*";
  parent = "dir:/";
  #resource: string | undefined;

  watch(source: ImportSource): ImportSource {
    return { ...source, items: () => this.#look(source) };
  }

  async *#look(source: ImportSource): AsyncGenerator<readonly SourceItem[]> {
    for await (const batch of source.items()) {
      for (const item of batch) {
        if (item.kind === "operation" && item.operation.op === "create_tuple") {
          this.#see(item.operation.tuple);
        }
      }
      yield batch;
    }
  }

  #see(tuple: Tuple): void {
    const { resource, relation, subject } = tuple;
    const isWanted =
      resource === LIKED || (this.#resource === undefined && resource.startsWith("file:"));
    if (relation === "owner" && isWanted) {
      this.#resource = resource;
      this.owner = formatTuple(tuple);
    }
    if (relation === "parent" && resource === this.#resource) this.parent = subject;
  }
}
