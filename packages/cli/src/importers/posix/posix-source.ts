/**
 * The ownership of a directory tree of this machine as a source of tuples (posix-mapping.ts says which).
 *
 * First come the members of groups, then the directories above the tree, from "/" down, since the kernel asks
 * each of them for the right to search; then the tree. Links are resolved once, in the directory that was
 * asked for, so that a file has one id whichever way leads to it.
 *
 * With a limit the source stops in front of the first entry whose tuples would exceed it: an entry is imported
 * with all its tuples or not at all, so that no file shows the others' bits without its owner.
 *
 * An import adds and never deletes: bits that were cleared since an earlier import of the same tree stay. To
 * have exactly the present state, import into a new vault.
 */
import type { Stats } from "node:fs";
import { realpath } from "node:fs/promises";
import { setImmediate as eventLoopTurn } from "node:timers/promises";
import { LedgerError, type Tuple } from "@authledger/types";
import { type ImportSource, rejected, type SourceItem } from "../import-source.js";
import { encodeName, shortenId } from "./path-id.js";
import { entryTuples, memberTuple, rootTuples } from "./posix-mapping.js";
import { KERNEL_TREES, statOf, walkTree } from "./tree-walk.js";
import { readUserDatabase, type UserDatabase, type UserDatabaseFiles } from "./user-database.js";

export interface PosixOptions {
  /** Stop before there are more tuples than this. Default: no limit. */
  readonly limit?: number;
  /** Enter other file systems that are mounted in the tree. Default: false. */
  readonly crossFileSystems?: boolean;
  /** Default: /etc/passwd and /etc/group. */
  readonly userDatabase?: UserDatabaseFiles;
}

interface PosixCounts {
  /** Files and directories that became tuples, those above the tree included. */
  entries: number;
  tuples: number;
  rejected: number;
  /** Mount points, and file systems of the kernel, that were left out. */
  notEntered: number;
  /** There was more than the limit. */
  stoppedAtLimit: boolean;
}

export interface PosixSource extends ImportSource {
  readonly estimate: () => Promise<number | undefined>;
  /** Of the last run of `items()`, as far as it has come. */
  readonly counts: Readonly<PosixCounts>;
}

const DEFAULT_FILES: UserDatabaseFiles = { passwd: "/etc/passwd", group: "/etc/group" };
/** A batch is full with so many items; the walk gives the event loop a turn behind each. */
const BATCH_ITEMS = 1_000;
/**
 * The estimate walks ahead over so many entries and gives up on larger trees: 8 us each, 1.1 s for the 137,736
 * entries of a /usr and 0.1 s up to a limit of 100,000 tuples (2 cores, Node 20.20, 2026-11).
 */
const ESTIMATE_ENTRIES_MAX = 200_000;
/** Steps of the walk between two turns of the event loop, 5 ms. */
const STEPS_PER_TURN = 512;

/**
 * @example await posixSource("/usr", { limit: 100_000 })
 * @throws LedgerError INVALID_ARGUMENT when `directory` is not one that can be walked
 */
export async function posixSource(
  directory: string,
  options: PosixOptions = {},
): Promise<PosixSource> {
  const root = await rootOf(directory);
  const run = new PosixRun(root, options);
  return {
    name: directory,
    identity: `posix:${Buffer.from(root, "latin1").toString("hex")}`,
    get counts() {
      return run.counts;
    },
    estimate: () => new PosixRun(root, options).count(ESTIMATE_ENTRIES_MAX),
    items: () => run.items(),
  };
}

/** The directory's real path, as "latin1". */
async function rootOf(directory: string): Promise<string> {
  const root = await realpath(directory, "latin1").catch((cause: unknown) => {
    throw refuse(directory, (cause as Error).message, cause);
  });
  const stat = statOf(root);
  if (typeof stat === "string") throw refuse(directory, stat);
  if (!stat.isDirectory()) throw refuse(directory, "it is not a directory");
  if (KERNEL_TREES.some((tree) => root === tree || root.startsWith(`${tree}/`))) {
    throw refuse(directory, "the kernel shows itself there; nobody set its ownership");
  }
  return root;
}

function refuse(directory: string, why: string, cause?: unknown): LedgerError {
  const message = `cannot import the directory "${directory}": ${why}`;
  return new LedgerError("INVALID_ARGUMENT", message, { cause, details: { field: "directory" } });
}

/** What stands together in the source: one entry, or one membership or rejection. */
interface Unit {
  readonly isEntry: boolean;
  readonly items: readonly SourceItem[];
}

class PosixRun {
  readonly #root: string;
  readonly #options: PosixOptions;
  #counts = noCounts();

  constructor(root: string, options: PosixOptions) {
    this.#root = root;
    this.#options = options;
  }

  get counts(): Readonly<PosixCounts> {
    return this.#counts;
  }

  /** The batches, from the start. */
  async *items(): AsyncGenerator<readonly SourceItem[], void, undefined> {
    this.#counts = noCounts();
    const users = await readUserDatabase(this.#options.userDatabase ?? DEFAULT_FILES);
    let batch: SourceItem[] = [];
    for (const unit of this.#units(users)) {
      if (!this.#admit(unit)) break;
      batch.push(...unit.items);
      if (batch.length < BATCH_ITEMS) continue;
      yield batch;
      batch = [];
      await eventLoopTurn();
    }
    if (batch.length > 0) yield batch;
  }

  /** Tuples there will be; undefined when there are more than `entriesMax` entries and no limit is reached. */
  async count(entriesMax: number): Promise<number | undefined> {
    const users = await readUserDatabase(this.#options.userDatabase ?? DEFAULT_FILES);
    let units = 0;
    for (const unit of this.#units(users)) {
      if (!this.#admit(unit)) break;
      units += 1;
      if (units > entriesMax) return undefined;
      if (units % STEPS_PER_TURN === 0) await eventLoopTurn();
    }
    return this.#counts.tuples;
  }

  /** Counts the unit; false when it exceeds the limit. */
  #admit(unit: Unit): boolean {
    const tuples = unit.items.filter((item) => item.kind === "operation").length;
    if (this.#counts.tuples + tuples > (this.#options.limit ?? Number.POSITIVE_INFINITY)) {
      this.#counts.stoppedAtLimit = true;
      return false;
    }
    this.#counts.tuples += tuples;
    this.#counts.rejected += unit.items.length - tuples;
    if (unit.isEntry) this.#counts.entries += 1;
    return true;
  }

  *#units(users: UserDatabase): Generator<Unit, void, undefined> {
    for (const problem of users.rejected) yield single(problem);
    for (const { position, group, user } of users.memberships) {
      yield single(createItem(position, memberTuple(group, user)));
    }
    const ids = new PathIds();
    for (const path of pathsAbove(this.#root)) {
      const stat = statOf(path);
      if (typeof stat === "string") yield single(rejected(ids.of(path), stat));
      else yield entryUnit(path, stat, ids, users);
    }
    const crossFileSystems = this.#options.crossFileSystems ?? false;
    for (const step of walkTree(this.#root, { crossFileSystems })) {
      if (step.kind === "entry") yield entryUnit(step.path, step.stat, ids, users);
      else if (step.kind === "problem") yield single(rejected(ids.of(step.path), step.reason));
      else this.#counts.notEntered += 1;
    }
  }
}

function noCounts(): PosixCounts {
  return { entries: 0, tuples: 0, rejected: 0, notEntered: 0, stoppedAtLimit: false };
}

/** The directories above, from "/" down: `/` and `/usr` for `/usr/share`. */
function pathsAbove(path: string): string[] {
  const above: string[] = [];
  for (let at = path.indexOf("/", 1); at >= 0; at = path.indexOf("/", at + 1)) {
    above.push(path.slice(0, at));
  }
  return path === "/" ? [] : ["/", ...above];
}

function entryUnit(path: string, stat: Stats, ids: PathIds, users: UserDatabase): Unit {
  const encoded = ids.of(path);
  const isDirectory = stat.isDirectory();
  const isLink = stat.isSymbolicLink();
  const tuples = entryTuples({
    kind: isDirectory ? "dir" : isLink ? "link" : "file",
    resource: `${isDirectory ? "dir" : "file"}:${shortenId(encoded)}`,
    parent: path === "/" ? undefined : ids.parentResource(path),
    owner: users.user(stat.uid),
    group: users.group(stat.gid),
    mode: stat.mode,
  });
  const all = path === "/" ? [...tuples, ...rootTuples(users.user(0))] : tuples;
  return { isEntry: true, items: all.map((tuple) => createItem(encoded, tuple)) };
}

function single(item: SourceItem): Unit {
  return { isEntry: false, items: [item] };
}

function createItem(position: string, tuple: Tuple): SourceItem {
  return { kind: "operation", position, operation: { op: "create_tuple", tuple, expiresAtMs: 0 } };
}

/** Encoded paths. Remembers the last directory, whose entries come in a row. */
class PathIds {
  #directory = "";
  #encoded = "";
  #resource = "";

  /** The percent-encoded path, not shortened. */
  of(path: string): string {
    if (path === "/") return path;
    const slash = path.lastIndexOf("/");
    this.#turnTo(path.slice(0, slash));
    return `${this.#encoded}/${encodeName(path.slice(slash + 1))}`;
  }

  /** `dir:...` of the directory that holds the path. */
  parentResource(path: string): string {
    this.#turnTo(path.slice(0, path.lastIndexOf("/")));
    return this.#resource;
  }

  #turnTo(directory: string): void {
    if (directory === this.#directory && this.#resource !== "") return;
    this.#directory = directory;
    this.#encoded = directory.split("/").map(encodeName).join("/");
    this.#resource = `dir:${directory === "" ? "/" : shortenId(this.#encoded)}`;
  }
}
