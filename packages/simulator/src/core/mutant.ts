/** The core as it was built, with a bug put in. */
import { type Patch, patchedFiles, withCopies } from "../museum/built-packages.js";
import type { CoreModule } from "./core-module.js";

/** Throws where a patch does not fit the core as it is built now. */
export function checkPatches(patches: readonly Patch[]): void {
  patchedFiles("raft", patches);
}

/** Loads the core with patches. */
export function loadCore(patches: readonly Patch[]): Promise<CoreModule> {
  return withCopies(["raft"], new Map([["raft", patches]]), async (importCopy) => {
    return (await importCopy("raft")) as CoreModule;
  });
}
