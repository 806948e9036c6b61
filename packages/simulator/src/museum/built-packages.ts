/**
 * Packages as they were built, in a folder of their own and with bugs put in (museum.ts). Production code knows nothing of
 * this.
 *
 *   INV-SIM-5  A patch that does not fit exactly once is refused: no mutant is the healthy code by accident.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** A change of one built file: `find` is there exactly once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Packages that are copied together: each imports the others' copies. */
export type CopiedPackage = "wal" | "store" | "raft" | "state" | "engine" | "simulator";

const packages = fileURLToPath(new URL("../../../", import.meta.url));

/** Imports a built file of a copied package: its door, or one that the door does not show. */
export type ImportCopy = (of: CopiedPackage, file?: string) => Promise<unknown>;

/** The built files of a package by name, patched. @throws Error INV-SIM-5 */
export function patchedFiles(of: CopiedPackage, patches: readonly Patch[]): Map<string, string> {
  const built = join(packages, of, "dist");
  const names = readdirSync(built, { recursive: true, encoding: "utf8" });
  const files = new Map(
    names
      .filter((name) => name.endsWith(".js"))
      .map((name) => [name, readFileSync(join(built, name), "utf8")]),
  );
  for (const { file, find, replace } of patches) {
    const text = files.get(file);
    const count = text === undefined ? 0 : text.split(find).length - 1;
    if (count !== 1) {
      throw new Error(`INV-SIM-5: the patch of ${file} fits ${count} times: ${find}`);
    }
    // A function, so that nothing in the replacement is taken for a pattern.
    files.set(
      file,
      text!.replace(find, () => replace),
    );
  }
  return files;
}

/**
 * Copies packages into a folder, one of them with patches, and hands out what imports from them. The folder is gone when
 * `use` has ended; what was imported stays.
 */
export async function withCopies<T>(
  copied: readonly CopiedPackage[],
  patches: ReadonlyMap<CopiedPackage, readonly Patch[]>,
  use: (importCopy: ImportCopy) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "authledger-museum-"));
  // Like any other package, so that test runners leave its files as they are.
  const modules = join(folder, "node_modules");
  const homeOf = (name: string): string => join(modules, "@authledger", name);
  try {
    mkdirSync(join(modules, "@authledger"), { recursive: true });
    for (const [name, path] of linkedTo(copied)) symlinkSync(path, join(modules, name));
    for (const name of copied) copy(name, homeOf(name), patches.get(name) ?? []);
    return await use((of, file = "index.js") => {
      const path = pathToFileURL(join(homeOf(of), "dist", file)).href;
      return import(/* @vite-ignore */ path);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the copies take from outside, and where it is: whatever they depend on that is not copied itself. */
function linkedTo(copied: readonly CopiedPackage[]): Map<string, string> {
  const own = new Set(copied.map((name) => `@authledger/${name}`));
  const linked = new Map<string, string>();
  for (const name of copied) {
    const home = join(packages, name);
    const { dependencies = {} } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
    for (const other of Object.keys(dependencies)) {
      if (!own.has(other)) linked.set(other, join(home, "node_modules", other));
    }
  }
  return linked;
}

function copy(name: CopiedPackage, home: string, patches: readonly Patch[]): void {
  for (const [file, text] of patchedFiles(name, patches)) {
    const path = join(home, "dist", file);
    mkdirSync(dirname(path), { recursive: true });
    // The maps stay behind.
    writeFileSync(path, text.replace(/\n\/\/# sourceMappingURL=.*/, ""));
  }
  writeFileSync(join(home, "package.json"), readFileSync(join(packages, name, "package.json")));
}
