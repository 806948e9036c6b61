/** The first part of the quickstart: the ownership of this machine's system folders becomes tuples. */
import { existsSync } from "node:fs";
import type { LedgerClient } from "@authledger/sdk";
import type { Tuple } from "@authledger/types";
import type { ImportSource, SourceItem } from "../importers/import-source.js";
import { posixSource } from "../importers/posix/posix-source.js";
import type { Run } from "../run/command.js";
import { importWithProgress } from "../run/import-progress.js";
import { IN_FLIGHT_DEFAULT } from "../run/import-run.js";

/** In this order, as far as they exist and the limit reaches. */
const SYSTEM_FOLDERS = ["/etc", "/usr", "/var", "/opt"];

/** Files that everybody knows: one that all may read, and one that few may. */
const OPEN = "file:/etc/passwd";
const SECRET = "file:/etc/shadow";

/** What the later parts ask about. */
export interface Imported {
  readonly folders: readonly string[];
  readonly tuples: number;
  readonly rejected: number;
  readonly seconds: number;
  /** Text of the block's height. */
  readonly height: string;
  /** What anybody may do, and what few may: `file:/etc/passwd#read`. */
  readonly open: string;
  readonly secret: string;
  /** The directory that holds the first. */
  readonly parent: string;
}

/** What is rejected is told on standard error and does not end the import. */
export async function importSystemFolders(
  run: Run,
  client: LedgerClient,
  limit: number,
): Promise<Imported> {
  const folders: string[] = [];
  const examples = new Examples();
  let [tuples, rejected, seconds, height] = [0, 0, 0, 0n];
  for (const folder of SYSTEM_FOLDERS.filter((path) => existsSync(path))) {
    if (tuples >= limit) break;
    const importing = importWithProgress(run, client, { inFlight: IN_FLIGHT_DEFAULT });
    await importing.run(examples.watch(await posixSource(folder, { limit: limit - tuples })));
    const { summary } = importing;
    folders.push(folder);
    tuples += summary.operations;
    rejected += summary.rejected;
    seconds += importing.seconds;
    height = summary.height ?? height;
  }
  const { open, secret, parent } = examples;
  return { folders, tuples, rejected, seconds, height: String(height), open, secret, parent };
}

/** Remembers two files of what passes by: those that everybody knows if they come, else the first of their kind. */
class Examples {
  open = "dir:/#read";
  secret = "dir:/#write";
  parent = "dir:/";
  #hasOpen = false;
  #hasSecret = false;
  /** The file that passes by just now; its tuples come together. */
  #file = "";
  #parent = "";
  #relations = new Set<string>();

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
    this.#judge();
  }

  #see({ resource, relation, subject }: Tuple): void {
    if (resource !== this.#file) {
      this.#judge();
      this.#file = resource;
      this.#relations = new Set();
    }
    this.#relations.add(relation);
    if (relation === "parent") this.#parent = subject;
  }

  #judge(): void {
    // A symbolic link has no bits, and says nothing about who may read.
    if (!this.#file.startsWith("file:") || !this.#relations.has("owner_read")) return;
    if (this.#relations.has("other_read")) {
      if (this.#hasOpen && this.#file !== OPEN) return;
      this.#hasOpen = true;
      this.open = `${this.#file}#read`;
      this.parent = this.#parent;
    } else if (!this.#hasSecret || this.#file === SECRET) {
      this.#hasSecret = true;
      this.secret = `${this.#file}#read`;
    }
  }
}
