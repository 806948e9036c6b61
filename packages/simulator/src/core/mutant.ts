/**
 * The core as it was built, in a folder of its own and with a bug put in (museum.ts). Production code knows nothing of
 * this.
 *
 *   INV-SIM-5  A patch that does not fit exactly once is refused: no mutant is the healthy core by accident.
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
import type { CoreModule } from "./core-module.js";

/** A change of one built file: `find` is there exactly once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const packages = fileURLToPath(new URL("../../../", import.meta.url));
const built = join(packages, "raft", "dist");

/** The built files of the core by name, patched. */
function patchedFiles(patches: readonly Patch[]): Map<string, string> {
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

/** Throws where a patch does not fit the core as it is built now. */
export function checkPatches(patches: readonly Patch[]): void {
  patchedFiles(patches);
}

/** Loads the core with patches. */
export async function loadCore(patches: readonly Patch[]): Promise<CoreModule> {
  const files = patchedFiles(patches);
  const folder = mkdtempSync(join(tmpdir(), "authledger-core-"));
  // Like any other package, so that test runners leave its files as they are.
  const home = join(folder, "node_modules", "raft");
  try {
    for (const [name, text] of files) {
      const path = join(home, "dist", name);
      mkdirSync(dirname(path), { recursive: true });
      // The maps stay behind.
      writeFileSync(path, text.replace(/\n\/\/# sourceMappingURL=.*/, ""));
    }
    writeFileSync(join(home, "package.json"), '{ "type": "module" }');
    const scope = join(folder, "node_modules", "@authledger");
    mkdirSync(scope, { recursive: true });
    symlinkSync(join(packages, "types"), join(scope, "types"));
    const door = pathToFileURL(join(home, "dist", "index.js")).href;
    return (await import(/* @vite-ignore */ door)) as CoreModule;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
