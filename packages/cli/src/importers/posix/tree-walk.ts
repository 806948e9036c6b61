/**
 * Walks a directory tree: each entry once, a directory before what it holds, names in the order of their bytes.
 *
 * Paths are "latin1" strings, one character per byte (path-id.ts). Symbolic links are entries and are never
 * followed. The walk stays on the file system of its root, as `find -xdev` does: a mount point is visited (its
 * mode is what the kernel looks at) and not entered. The file systems in which the kernel shows itself are left
 * out. Other programs may change the tree meanwhile: what has vanished or cannot be read is a problem with a
 * reason, and a directory that was replaced while it was read (by a link, say) is not entered.
 *
 * Calls are synchronous, 3 us each against some 30 us for those that go through the thread pool; the consumer
 * decides how many it makes before it gives the event loop a turn.
 */
import { lstatSync, opendirSync, type Stats } from "node:fs";

export type WalkStep =
  | { readonly kind: "entry"; readonly path: string; readonly stat: Stats }
  | { readonly kind: "problem"; readonly path: string; readonly reason: string }
  /** A mount point that was visited and not entered, or a file system of the kernel that was left out. */
  | { readonly kind: "not_entered"; readonly path: string };

export interface WalkOptions {
  /** Enter other file systems that are mounted in the tree. */
  readonly crossFileSystems: boolean;
}

/** File systems in which the kernel shows itself: no ownership that anybody set, and no end in some of them. */
export const KERNEL_TREES: readonly string[] = ["/proc", "/sys", "/dev"];
/** Names of one directory are sorted in memory: some 100 MB for as many as this. */
const DIRECTORY_NAMES_MAX = 1_000_000;
/** Directories inside one another. A path of 4,096 bytes, the longest that Linux takes, has half as many. */
const DEPTH_MAX = 4_096;
/** Entries that one system call for a directory asks for. */
const READ_NAMES = 256;

interface OpenDirectory {
  /** Ends in a slash. */
  readonly prefix: string;
  readonly names: readonly string[];
  next: number;
}

/** Everything under the directory `root`, the root itself included. */
export function* walkTree(
  root: string,
  options: WalkOptions,
): Generator<WalkStep, void, undefined> {
  const stack: OpenDirectory[] = [];
  const rootStat = statOf(root);
  if (typeof rootStat === "string") {
    yield { kind: "problem", path: root, reason: rootStat };
    return;
  }
  yield { kind: "entry", path: root, stat: rootStat };
  yield* enter(root, rootStat, stack);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const name = top.names[top.next];
    top.next += 1;
    if (name === undefined) {
      stack.pop();
      continue;
    }
    yield* visit(top.prefix + name, rootStat.dev, options, stack);
  }
}

function* visit(
  path: string,
  device: number,
  options: WalkOptions,
  stack: OpenDirectory[],
): Generator<WalkStep, void, undefined> {
  if (KERNEL_TREES.includes(path)) {
    yield { kind: "not_entered", path };
    return;
  }
  const stat = statOf(path);
  if (typeof stat === "string") {
    yield { kind: "problem", path, reason: stat };
    return;
  }
  yield { kind: "entry", path, stat };
  if (!stat.isDirectory()) return;
  // Only directories are compared: an overlay shows its files with the device of the layer they are in.
  if (stat.dev !== device && !options.crossFileSystems) yield { kind: "not_entered", path };
  else yield* enter(path, stat, stack);
}

/** Puts the directory on the stack with its names, or says why not. */
function* enter(
  path: string,
  stat: Stats,
  stack: OpenDirectory[],
): Generator<WalkStep, void, undefined> {
  const names = stack.length < DEPTH_MAX ? readNames(path, stat) : "lies too deep";
  if (typeof names === "string") {
    yield { kind: "problem", path, reason: names };
  } else {
    stack.push({ prefix: path === "/" ? path : `${path}/`, names, next: 0 });
  }
}

/** The names in the directory, sorted by bytes; or why they cannot be had. */
function readNames(path: string, stat: Stats): readonly string[] | string {
  const names: string[] = [];
  try {
    const encoding = "latin1" as BufferEncoding;
    const directory = opendirSync(systemPath(path), { encoding, bufferSize: READ_NAMES });
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
        if (names.length === DIRECTORY_NAMES_MAX) {
          return `holds more than ${DIRECTORY_NAMES_MAX} entries; none of them is imported`;
        }
        names.push(entry.name);
      }
    } finally {
      directory.closeSync();
    }
  } catch (error) {
    return reasonOf(error);
  }
  // opendir follows links: was it still this directory?
  const after = statOf(path);
  if (typeof after === "string") return after;
  const isSame = after.isDirectory() && after.ino === stat.ino && after.dev === stat.dev;
  return isSame ? names.sort() : "was replaced while it was read";
}

/** lstat, or why it failed. */
export function statOf(path: string): Stats | string {
  try {
    return lstatSync(systemPath(path));
  } catch (error) {
    return reasonOf(error);
  }
}

/** The path as Node takes it: a string where it is ASCII, which is faster, else its bytes. */
function systemPath(path: string): string | Buffer {
  return /^[ -~]*$/.test(path) ? path : Buffer.from(path, "latin1");
}

/** Node's message without the path, which the position has: `EACCES: permission denied, opendir`. */
function reasonOf(error: unknown): string {
  return (error as Error).message.replace(/ '[\s\S]*$/, "");
}
