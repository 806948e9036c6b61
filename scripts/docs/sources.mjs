/** Which files of the repository the generated documents and the tidy checks look at. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Directory of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** Directories that hold what was not written by hand. */
const NOT_WRITTEN = new Set(["node_modules", "dist", "gen", "vectors"]);

/** Names of the packages that exist, sorted. */
export function packageNames() {
  return readdirSync(join(root, "packages"))
    .filter((name) => existsSync(join(root, "packages", name, "package.json")))
    .sort();
}

/**
 * The hand-written files under `directory` (relative to the repository) whose names match, as sorted relative
 * paths.
 *
 * @param {string} directory
 * @param {RegExp} name
 * @returns {string[]}
 */
export function filesUnder(directory, name) {
  const full = join(root, directory);
  if (!existsSync(full)) return [];
  const found = readdirSync(full, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return NOT_WRITTEN.has(entry.name) ? [] : filesUnder(path, name);
    return name.test(entry.name) ? [path] : [];
  });
  return found.sort();
}

/**
 * Content of a file, by its path in the repository.
 *
 * @param {string} path
 */
export function read(path) {
  return readFileSync(join(root, path), "utf8");
}

/** Sources of all packages. */
export function packageSources() {
  return packageNames().flatMap((name) => filesUnder(`packages/${name}/src`, /\.ts$/));
}

/** Tests of all packages and of the repository. */
export function testFiles() {
  const ofPackages = packageNames().flatMap((name) => filesUnder(`packages/${name}/test`, /\.ts$/));
  return [...ofPackages, ...filesUnder("test", /\.ts$/)];
}

/**
 * The name of the package a path lies in.
 *
 * @param {string} path
 */
export function packageOf(path) {
  return relative("packages", path).split("/")[0] ?? "";
}
