/** Directories for the data of a run, on the disk that the checkout is on, removed when the process ends. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { benchRoot } from "./workspace.mjs";

/** @type {Set<string>} */
const directories = new Set();
process.on("exit", () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** @param {string} name */
export function scratchDirectory(name) {
  const parent = join(benchRoot, "out");
  mkdirSync(parent, { recursive: true });
  const directory = mkdtempSync(join(parent, `${name}-`));
  directories.add(directory);
  return directory;
}

/** @param {string} directory */
export function removeDirectory(directory) {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}

/**
 * Bytes of all files below a directory, as they are allocated on disk.
 *
 * @param {string} directory
 * @returns {number}
 */
export function diskBytes(directory) {
  let bytes = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory() ? diskBytes(path) : statSync(path).blocks * 512;
  }
  return bytes;
}
